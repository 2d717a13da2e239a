"""Every use case of the score endpoint's public documentation, end to end: the service stands where Helicone
stood, and a few lines of Python where the models stood."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from tests.api.envelope import DONE, scores_of

Json = dict[str, Any]

ANSWERS = {
    "Explain quantum computing": (
        "Quantum computers use qubits, which hold several states at once [1]. "
        "They factor numbers faster than any classical machine is known to (1994)."
    ),
    "What is 2 + 2?": "Hi! It is 5.",
    "How do I print in Python?": "Hello! Call:\n```python\nprint('hi')\n```",
}


async def complete(
    client: httpx.AsyncClient, question: str, answer: str, *, model: str = "gpt-4", **headers: str
) -> tuple[str, str]:
    """Stand in for a model: answer, and log the request as a client does. Returns the request's id, which the
    client learns from the header `helicone-id`, and the answer."""
    body = {
        "providerRequest": {
            "url": "https://api.openai.com/v1/chat/completions",
            "json": {"model": model, "messages": [{"role": "user", "content": question}]},
            "meta": {f"Helicone-Property-{name}": value for name, value in headers.items()},
        },
        "providerResponse": {
            "json": {
                "model": model,
                "choices": [{"message": {"role": "assistant", "content": answer}}],
                "usage": {"prompt_tokens": len(question.split()), "completion_tokens": len(answer.split())},
            },
            "status": 200,
            "headers": {},
        },
    }
    response = await client.post("/oai/v1/log", json=body)
    assert response.status_code == 200
    return response.headers["helicone-id"], answer


async def ask(client: httpx.AsyncClient, question: str) -> tuple[str, str]:
    return await complete(client, question, ANSWERS[question])


async def add_scores(client: httpx.AsyncClient, request_id: str, scores: Json) -> None:
    response = await client.post(f"/v1/request/{request_id}/score", json={"scores": scores})
    assert (response.status_code, response.json()) == (200, DONE)


async def find(client: httpx.AsyncClient, filter_: object, **body: object) -> list[Json]:
    response = await client.post("/v1/request/query", json={"filter": filter_, **body})
    assert response.status_code == 200
    rows: list[Json] = response.json()["data"]
    return rows


def judge(answer: str) -> Json:
    """Stand in for a model as a judge: marks from 0 to 100, made of what can be counted in an answer."""
    return {
        "accuracy": 0 if "5" in answer else 95,
        "clarity": 100 - max(map(len, answer.split())),
        "completeness": min(100, 5 * len(answer.split())),
    }


async def test_llm_as_judge(client: httpx.AsyncClient) -> None:
    request_id, answer = await ask(client, "Explain quantum computing")
    _, verdict = await complete(client, f"Evaluate this response: {answer}", json.dumps(judge(answer)))
    await add_scores(client, request_id, json.loads(verdict))

    response = await client.get(f"/v1/request/{request_id}")
    row = response.json()["data"]
    assert row["scores"] == {"accuracy": 95, "clarity": 91, "completeness": 100}
    assert row["response_body"]["choices"][0]["message"]["content"] == answer


async def test_human_evaluation(client: httpx.AsyncClient) -> None:
    request_id, _ = await ask(client, "What is 2 + 2?")
    form = {
        "accuracy": 10,
        "relevance": 80,
        "tone": 90,
        "followedInstructions": True,
        "containedErrors": True,
    }
    evaluation = {
        "accuracy": form["accuracy"],
        "relevance": form["relevance"],
        "tone": form["tone"],
        "followed_instructions": form["followedInstructions"],
        "contained_errors": form["containedErrors"],
    }
    await add_scores(client, request_id, evaluation)
    response = await client.post(f"/v1/request/{request_id}/feedback", json={"rating": False})
    assert (response.status_code, response.json()) == (200, DONE)

    [row] = await find(client, {"request_response_rmt": {"helicone-score-feedback": {"equals": False}}})
    assert row["request_id"] == request_id
    assert row["scores"] == {
        "accuracy": 10,
        "relevance": 80,
        "tone": 90,
        "followed_instructions": 1,
        "contained_errors": 1,
        "helicone-score-feedback": 0,
    }


async def test_second_look_of_a_human_corrects_the_first(client: httpx.AsyncClient) -> None:
    request_id, _ = await ask(client, "What is 2 + 2?")
    await add_scores(client, request_id, {"accuracy": 80, "tone": 90})
    await add_scores(client, request_id, {"accuracy": 10})
    assert await scores_of(client, request_id) == {"accuracy": 10, "tone": 90}


def check(answer: str) -> Json:
    return {
        "word_count": len(answer.split(" ")),
        "has_citations": re.search(r"\[\d+\]|\(\d{4}\)", answer) is not None,
        "has_code_examples": "```" in answer,
        "starts_with_greeting": re.match(r"hello|hi|hey", answer, re.IGNORECASE) is not None,
        "exceeds_min_length": len(answer) > 100,
        "contains_markdown": re.search(r"[#*_`]", answer) is not None,
    }


async def test_automated_quality_checks(client: httpx.AsyncClient) -> None:
    for question in ANSWERS:
        request_id, answer = await ask(client, question)
        await add_scores(client, request_id, check(answer))

    rows = await find(client, {"request_response_rmt": {"scores": {"has_code_examples": {"equals": True}}}})
    assert [row["scores"] for row in rows] == [
        {
            "word_count": 2,
            "has_citations": 0,
            "has_code_examples": 1,
            "starts_with_greeting": 1,
            "exceeds_min_length": 0,
            "contains_markdown": 1,
        }
    ]
    greeting = {"request_response_rmt": {"scores": {"starts_with_greeting": {"equals": 1}}}}
    response = await client.post("/v1/request/count/query", json={"filter": greeting})
    assert response.json() == {"data": 2, "error": None}


def overlap(text: str, other: str) -> int:
    """How much of a text is in another, from 0 to 100."""
    words = {*re.findall(r"\w+", text.lower())}
    return round(100 * len(words & {*re.findall(r"\w+", other.lower())}) / len(words))


async def evaluate_rag(
    client: httpx.AsyncClient, request_id: str, response: str, context: Sequence[str], question: str
) -> None:
    everything = " ".join(context)
    scores = {
        "answer_relevance": overlap(question, response),
        "answer_completeness": overlap(everything, response),
        "context_relevance": overlap(question, everything),
        "context_precision": overlap(everything, response),
        "faithfulness": overlap(response, everything),
        "has_hallucinations": overlap(response, everything) < 60,
        "uses_all_context": all(overlap(piece, response) > 50 for piece in context),
        "citations_provided": "[" in response and "]" in response,
    }
    await add_scores(client, request_id, scores)


async def test_multi_criteria_rag_evaluation(client: httpx.AsyncClient) -> None:
    question = "Who wrote Faust and when?"
    context = ["Goethe wrote Faust", "The first part came out in 1808"]
    faithful = "Goethe wrote Faust; the first part came out in 1808 [1]"
    invented = "Schiller wrote it while on holiday"
    for answer in (faithful, invented):
        request_id, _ = await complete(client, question, answer)
        await evaluate_rag(client, request_id, answer, context, question)

    hallucinated = {"request_response_rmt": {"scores": {"has_hallucinations": {"equals": True}}}}
    [row] = await find(client, hallucinated)
    assert row["response_body"]["choices"][0]["message"]["content"] == invented
    good = {
        "request_response_rmt": {
            "scores": {
                "faithfulness": {"gte": 90},
                "answer_completeness": {"gte": 90},
                "citations_provided": {"equals": True},
                "uses_all_context": {"equals": True},
            }
        }
    }
    [row] = await find(client, good)
    assert row["scores"] == {
        "answer_relevance": 40,
        "answer_completeness": 100,
        "context_relevance": 40,
        "context_precision": 100,
        "faithfulness": 91,
        "has_hallucinations": 0,
        "uses_all_context": 1,
        "citations_provided": 1,
    }


async def test_comparative_evaluation(client: httpx.AsyncClient) -> None:
    variants = {
        "A": ("0.7", ["Hi! It is 5.", "It is 4."]),
        "B": ("0.3", ["Four.", "It is 4."]),
    }
    scored = []
    for variant, (temperature, answers) in variants.items():
        for answer in answers:
            request_id, _ = await complete(
                client, "What is 2 + 2?", answer, Variant=variant, Temperature=temperature
            )
            scores = judge(answer) | {"correct": "5" not in answer}
            scored.append(add_scores(client, request_id, scores))
    await asyncio.gather(*scored)

    comparison = {
        "filter": {"request_response_rmt": {"properties": {"Temperature": {"in": ["0.7", "0.3"]}}}},
        "scores": ["accuracy", "correct"],
        "groupBy": {"property": "Variant"},
    }
    response = await client.post("/v1/evals/compare", json=comparison)
    assert response.status_code == 200
    groups = {group["group"]: group["scores"] for group in response.json()["data"]}
    assert {
        variant: (scores["accuracy"]["count"], scores["accuracy"]["average"], scores["correct"]["shareTrue"])
        for variant, scores in groups.items()
    } == {"A": (2, 47.5, 0.5), "B": (2, 95, 1)}
    assert groups["A"]["accuracy"] == {
        "count": 2,
        "average": 47.5,
        "standardDeviation": pytest.approx(67.17514421272201),
        "min": 0,
        "p50": 47.5,
        "p90": 85.5,
        "p99": pytest.approx(94.05),
        "max": 95,
        "shareTrue": None,
    }


class Evaluator:
    """The documentation's evaluation framework: criteria by name, one score each."""

    def __init__(self, client: httpx.AsyncClient, criteria: dict[str, Callable[[str], int]]) -> None:
        self._client = client
        self._criteria = criteria

    async def evaluate(self, request_id: str, response: str, criteria: Sequence[str]) -> dict[str, int]:
        scores = {criterion: self._criteria[criterion](response) for criterion in criteria}
        await add_scores(self._client, request_id, scores)
        return scores


async def test_evaluation_framework(client: httpx.AsyncClient) -> None:
    evaluator = Evaluator(
        client,
        {
            "accuracy": lambda answer: judge(answer)["accuracy"],
            "clarity": lambda answer: judge(answer)["clarity"],
            "completeness": lambda answer: judge(answer)["completeness"],
            "tone": lambda answer: 100 if answer.startswith(("Hi", "Hello")) else 50,
        },
    )
    given = {}
    for question in ANSWERS:
        request_id, answer = await ask(client, question)
        criteria = ["accuracy", "clarity", "completeness", "tone"]
        given[request_id] = await evaluator.evaluate(request_id, answer, criteria)

    response = await client.post("/v1/request/query-ids", json={"requestIds": [*given]})
    assert [row["scores"] for row in response.json()["data"]] == [*given.values()]
    body = {"filter": "all", "timeFilter": {"start": "2020-01-01", "end": "2999-01-01"}}
    response = await client.post("/v1/evals/query", json=body)
    assert {score["name"]: score["averageScore"] for score in response.json()["data"]} == {
        name: sum(scores[name] for scores in given.values()) / 3
        for name in ("accuracy", "clarity", "completeness", "tone")
    }


async def test_query_by_score(client: httpx.AsyncClient) -> None:
    for accuracy in (95, 90, 89):
        request_id, _ = await ask(client, "Explain quantum computing")
        await add_scores(client, request_id, {"accuracy": accuracy})
    await ask(client, "What is 2 + 2?")

    # Sent as the documentation sends it.
    rows = await find(client, {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}, limit=100)
    assert [row["scores"] for row in rows] == [{"accuracy": 90}, {"accuracy": 95}]


async def test_alert_on_scores_below_a_threshold(client: httpx.AsyncClient) -> None:
    for question in ANSWERS:
        request_id, answer = await ask(client, question)
        await add_scores(client, request_id, judge(answer))

    low = {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}}
    [row] = await find(client, low, sort={"scores": {"accuracy": "asc"}})
    assert row["request_body"]["messages"][0]["content"] == "What is 2 + 2?"


async def test_scores_that_are_no_integers_are_refused(client: httpx.AsyncClient) -> None:
    request_id, _ = await ask(client, "What is 2 + 2?")
    scores = {"accuracy": 95.5, "score": "high"}
    response = await client.post(f"/v1/request/{request_id}/score", json={"scores": scores})
    assert response.status_code == 400
    assert [field_error["path"] for field_error in response.json()["details"]] == [
        "scores.accuracy",
        "scores.score",
    ]
    assert await scores_of(client, request_id) == {}

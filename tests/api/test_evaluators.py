"""The functions of docs/evaluators.md take what evaluators answer, and send it.

The shapes are those of autoevals 0.4, ragas 0.4, deepeval 4.3, openevals 0.2 and promptfoo 0.121, with the
fields that the functions read; the packages themselves are not installed.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.envelope import scores_of
from tests.conftest import Service
from tests.test_docs import ADDRESS, EVALUATORS, blocks

AUTOEVALS = [
    SimpleNamespace(name="Factuality", score=0.6, metadata={"choice": "B"}, error=None),
    SimpleNamespace(name="Levenshtein", score=0.285, metadata={}, error=None),
    SimpleNamespace(name="ClosedQA", score=None, metadata={}, error=None),  # skipped
]

RAGAS = SimpleNamespace(
    scores=[
        {"faithfulness": np.float64(0.575), "answer_relevancy": np.nan, "harmfulness": 0},
        {"faithfulness": 1.0, "answer_relevancy": np.float64(0.9123), "harmfulness": 1},
    ]
)

DEEPEVAL = SimpleNamespace(
    test_results=[
        SimpleNamespace(
            name="r1",
            success=False,
            metrics_data=[
                SimpleNamespace(name="Answer Relevancy", score=0.75, success=True, error=None),
                SimpleNamespace(name="Tone [GEval]", score=None, success=None, error="no answer"),
            ],
        ),
        SimpleNamespace(name="r2", success=True, metrics_data=None),
    ]
)

OPENEVALS = [
    {"key": "correctness", "score": True, "comment": "as it should be", "metadata": None},
    {"key": "conciseness", "score": 0.015, "comment": None, "metadata": None},
]

PROMPTFOO = {
    "evalId": "eval-1",
    "results": {
        "version": 3,
        "results": [
            {
                "testIdx": 0,
                "vars": {"request_id": "r1", "question": "Where?"},
                "success": True,
                "score": 0.5,
                "namedScores": {"Tone": 0.25},
            },
            {"testIdx": 1, "vars": {"request_id": "r2"}, "success": False, "score": 0, "namedScores": {}},
        ],
    },
}


@pytest.mark.parametrize(
    ("function", "arguments", "stored"),
    [
        ("from_autoevals", ("r1", AUTOEVALS), {"r1": {"Factuality": 60, "Levenshtein": 28}}),
        (
            "from_ragas",
            (["r1", "r2"], RAGAS),
            {
                "r1": {"faithfulness": 58, "harmfulness": 0},
                "r2": {"faithfulness": 100, "answer_relevancy": 91, "harmfulness": 100},
            },
        ),
        ("from_deepeval", (DEEPEVAL,), {"r1": {"Answer Relevancy": 75}}),
        ("from_openevals", ("r1", OPENEVALS), {"r1": {"correctness": 1, "conciseness": 2}}),
        ("from_promptfoo", (PROMPTFOO,), {"r1": {"promptfoo": 50, "Tone": 25}, "r2": {"promptfoo": 0}}),
    ],
)
async def test_what_an_evaluator_answers_is_stored(
    shared: Service,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    arguments: tuple[object, ...],
    stored: dict[str, dict[str, int]],
) -> None:
    monkeypatch.setenv("KEY", client.headers["Authorization"].removeprefix("Bearer "))
    page: dict[str, Any] = {}
    for language, text in blocks(EVALUATORS):
        if language == "python":
            exec(text.replace(ADDRESS, shared.address), page)  # noqa: S102 - the page's code is what is tested
    scores = page[function](*arguments)
    answer = await asyncio.to_thread(page["send"], scores)
    assert answer == {"accepted": len(scores), "rejected": 0, "errors": []}
    assert {request_id: await scores_of(client, request_id) for request_id in stored} == stored

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from heliscore.providers.exchange import read_conversation, read_models, read_usage
from heliscore.providers.turns import Json, Media, Text, Thinking, ToolCall, Turn

from tests.unit.providers.cases import CASES, Exchange, exchange_of

READABLE = [(case, exchange) for case in CASES if (exchange := exchange_of(case))]
COUNTS = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cache_read_tokens",
    "prompt_cache_write_tokens",
    "reasoning_tokens",
]


def with_key(*keys: str) -> pytest.MarkDecorator:
    chosen = [(case, exchange) for case, exchange in READABLE if case["expect"].keys() & set(keys)]
    return pytest.mark.parametrize(("case", "exchange"), chosen, ids=[case["name"] for case, _ in chosen])


def says(turn: Turn) -> list[str]:
    return [part.text for part in turn.parts if isinstance(part, Text | Thinking)]


def shown(turn: Turn) -> str:
    texts = []
    for part in turn.parts:
        match part:
            case Text() | Thinking():
                texts.append(part.text)
            case ToolCall():
                texts += [part.name, msgspec.json.encode(part.arguments).decode()]
            case Json():
                texts.append(msgspec.json.encode(part.value).decode())
    return "\n".join([turn.label, turn.mark, *texts])


@with_key("conversation")
def test_each_turn_of_a_case_is_said_in_this_order(case: dict[str, Any], exchange: Exchange) -> None:
    turns = read_conversation(exchange.request, exchange.response).turns
    at = 0
    for expected in case["expect"]["conversation"]:
        fits = [
            number
            for number, turn in enumerate(turns[at:], at)
            if turn.speaker == expected["speaker"]
            and ("says" not in expected or expected["says"] in says(turn))
            and all(text in shown(turn) for text in expected.get("shows", []))
            and (not expected.get("picture") or any(isinstance(part, Media) for part in turn.parts))
        ]
        assert fits, (expected, turns)
        at = fits[0]


@with_key("title")
def test_the_title_of_a_case_is_the_question(case: dict[str, Any], exchange: Exchange) -> None:
    assert read_conversation(exchange.request, exchange.response).title == case["expect"]["title"]


@with_key("page_shows", "page_lacks")
def test_the_page_of_a_case_shows_and_lacks(case: dict[str, Any], exchange: Exchange) -> None:
    conversation = read_conversation(exchange.request, exchange.response)
    page = "\n".join(shown(turn) for turn in conversation.turns)
    usage = read_usage(exchange.response)
    page += f"\n{usage.prompt_cache_read_tokens} {usage.reasoning_tokens}"
    assert [text for text in case["expect"].get("page_shows", []) if text not in page] == []
    assert [text for text in case["expect"].get("page_lacks", []) if text in page] == []


@with_key("row")
def test_a_case_has_its_counts_and_model(case: dict[str, Any], exchange: Exchange) -> None:
    row = case["expect"]["row"]
    usage = msgspec.structs.asdict(read_usage(exchange.response))
    assert {key: usage[key] for key in COUNTS if key in row} == {
        key: row[key] for key in COUNTS if key in row
    }
    asked, answered = read_models(exchange.asked, exchange.response, exchange.url)
    if "model" in row:
        assert (answered or asked) == row["model"]
    if "response_model" in row:
        assert answered == row["response_model"]
    if "costUSD" in row and "cost" not in case["body"]["providerResponse"]:
        assert usage["cost_usd"] == row["costUSD"]
    if "response_body" in row:
        assert exchange.response == row["response_body"]


@with_key("found_by")
def test_a_case_is_found_by_its_words(case: dict[str, Any], exchange: Exchange) -> None:
    stored = msgspec.json.encode([exchange.request, exchange.response]).decode()
    for text in case["expect"]["found_by"]:
        assert text in stored

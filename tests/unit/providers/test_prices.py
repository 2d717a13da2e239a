from __future__ import annotations

import asyncio
import math
import socket
from datetime import UTC, datetime

import pytest
from genai_prices.data import providers
from heliscore.api.shared.computed_costs import with_cost
from heliscore.providers.prices import Prices, PriceTable, load_prices
from heliscore.providers.usage import Usage
from heliscore.store.request_log import LoggedRequest
from hypothesis import given, settings
from hypothesis import strategies as st

AT = datetime(2026, 11, 20, tzinfo=UTC)
COUNTS = Usage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100)
AZURE = "https://a.openai.azure.com/openai/deployments/mine/chat/completions"


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load_prices()


@pytest.mark.parametrize(
    ("provider", "url", "models", "cost"),
    [
        ("OPENAI", None, ["gpt-4o"], 0.0035),
        ("OPENAI", "https://llm.example/v1/chat", ["gpt-4o-2024-11-20"], 0.0035),
        ("CUSTOM", "https://llm.example/v1/chat", ["gpt-4o"], 0.0035),
        ("OPENAI", None, ["claude-sonnet-4-5"], 0.0045),
        ("ANTHROPIC", None, ["claude-sonnet-4-5-20250929"], 0.0045),
        ("CUSTOM", AZURE, ["gpt-4o-2024-11-20", "mine"], 0.0035),
        ("CUSTOM", AZURE, [None, "mine"], None),
        ("OPENAI", None, ["m-small"], None),
        (None, None, [None, None], None),
        ("CUSTOM", "http://127.0.0.1:11434/api/chat", ["deepseek-r1:8b"], None),
        ("CUSTOM", "http://ollama:11434/api/chat", ["mistral-nemo"], None),
        ("OPENAI", "http://[", ["gpt-4o"], 0.0035),
    ],
)
def test_a_cost_is_computed_where_the_price_is_known(
    prices: Prices, provider: str | None, url: str | None, models: list[str | None], cost: float | None
) -> None:
    assert prices.compute_cost(provider, url, models, COUNTS, AT) == cost


def test_cached_tokens_have_their_own_price(prices: Prices) -> None:
    openai = Usage(1200, 2, 1202, prompt_cache_read_tokens=1152)
    assert prices.compute_cost("OPENAI", None, ["gpt-4o"], openai, AT) == pytest.approx(
        (48 * 2.5 + 1152 * 1.25 + 2 * 10) / 1e6
    )
    anthropic = Usage(7, 31, 4345, prompt_cache_read_tokens=4096, prompt_cache_write_tokens=211)
    assert prices.compute_cost("ANTHROPIC", None, ["claude-sonnet-4-5"], anthropic, AT) == pytest.approx(
        (7 * 3 + 31 * 15 + 4096 * 0.3 + 211 * 3.75) / 1e6
    )


@pytest.mark.parametrize(
    "usage",
    [Usage(), Usage(total_tokens=5), Usage(1, 1, 2, prompt_cache_read_tokens=50), Usage(0, 0)],
)
def test_counts_that_do_not_fit_have_no_cost(prices: Prices, usage: Usage) -> None:
    assert prices.compute_cost("OPENAI", None, ["gpt-4o"], usage, AT) is None


def test_prices_are_loaded_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load_prices().compute_cost("OPENAI", None, ["gpt-4o"], COUNTS, AT) == 0.0035


COUNT = st.none() | st.integers(0, 10_000) | st.integers(0, 2**62)
ADDRESS = st.none() | st.text() | st.sampled_from([AZURE, "https://openrouter.ai/api/v1", "http://[", "//"])
MODELS = sorted({model.id for provider in providers for model in provider.models})


@settings(max_examples=40)
@given(
    provider=st.none() | st.text() | st.sampled_from([each.id for each in providers]),
    url=ADDRESS,
    model=st.text() | st.sampled_from(MODELS),
    counts=st.tuples(*[COUNT] * 8),
    at=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),
)
def test_whatever_was_logged_has_a_cost_or_none(
    prices: Prices,
    provider: str | None,
    url: str | None,
    model: str,
    counts: tuple[int | None, ...],
    at: datetime,
) -> None:
    cost = prices.compute_cost(provider, url, [model], Usage(*counts), at)
    assert cost is None or (cost > 0 and math.isfinite(cost))


async def test_one_load_serves_all_who_wait_for_it() -> None:
    table = PriceTable()
    first, second = asyncio.create_task(table.prices()), asyncio.create_task(table.prices())
    await asyncio.sleep(0)
    first.cancel()
    assert await second is await table.prices()


class UntouchedTable(PriceTable):
    """A table that nobody may need."""

    async def prices(self) -> Prices:
        raise AssertionError("the prices are asked for")


async def test_prices_are_loaded_only_where_a_cost_may_come_of_it() -> None:
    for columns in (
        {"request_model": "gpt-4o"},
        {"prompt_tokens": 5},
        {"request_model": "gpt-4o", "total_tokens": 5},
        {"request_model": "gpt-4o", "prompt_tokens": 0, "completion_tokens": 0},
        {"request_model": "gpt-4o", "prompt_tokens": 5, "cost_usd": 0.5},
    ):
        request = LoggedRequest(organization_id=1, request_id="a", created_at=AT, updated_at=AT, **columns)
        assert await with_cost(request, UntouchedTable()) is request

"""What a call cost where nobody said it: computed from the price table of the package genai-prices.

The table is the one that the installed version carries; nothing is fetched. Loading it takes 0.4 s of work
and 14 MiB (version 0.2.3), so it is loaded when a cost is first to be computed, in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from heliscore.providers.usage import Usage

if TYPE_CHECKING:
    from genai_prices import types

_KNOWN_PAIRS: Final = 1024
"""Pairs of a provider and a model that are remembered; clients may send any names."""

_NO_PROVIDER: Final = ("", "CUSTOM")
"""Providers that say nothing of who is paid."""


class _Priced(NamedTuple):
    provider: types.Provider
    model: types.ModelInfo


class Prices:
    """Prices of tokens by provider, model and time."""

    def __init__(self, providers: Sequence[types.Provider]) -> None:
        self._providers = list(providers)
        self._find = lru_cache(_KNOWN_PAIRS)(self._look_up)

    def compute_cost(
        self, provider: str | None, url: str | None, models: Sequence[str | None], usage: Usage, at: datetime
    ) -> float | None:
        """The cost in USD of a call made at a time with zone; None where a price or the counts are unknown.

        Who is paid is known by the URL, else the provider's name, else the model's. Of the models, of which
        the one that answered stands first, the first with a price counts. A price of zero is none.
        """
        if not usage.has_counts:
            return None
        paid = (provider or "")[:200]
        origin = "/".join((url or "").split("/", 4)[:4])[:200].lower()
        for model in models:
            if model and len(model) <= 200 and (priced := self._find(paid, origin, model.lower())):
                return _cost(priced, usage, at)
        return None

    def _look_up(self, provider: str, origin: str, model: str) -> _Priced | None:
        at_url = self._paid_at(origin)
        for paid in (at_url,) if at_url else (self._paid_under(provider), self._paid_for(model, origin)):
            if paid and (found := paid.find_model(model, all_providers=self._providers)):
                return _Priced(paid, found)
        return None

    def _paid_at(self, origin: str) -> types.Provider | None:
        return next((each for each in self._providers if origin and re.match(each.api_pattern, origin)), None)

    def _paid_under(self, name: str) -> types.Provider | None:
        from genai_prices.data_snapshot import find_provider_by_id

        return None if name.upper() in _NO_PROVIDER else find_provider_by_id(self._providers, name)

    def _paid_for(self, model: str, origin: str) -> types.Provider | None:
        if _is_local(origin):
            return None
        matches = (each for each in self._providers if each.model_match and each.model_match.is_match(model))
        return next(matches, None)


class PriceTable:
    """The prices, which are loaded by the first who asks for them."""

    def __init__(self) -> None:
        self._loading: asyncio.Future[Prices] | None = None

    async def prices(self) -> Prices:
        """Return the prices, once they are loaded: for all who wait, whoever of them is cancelled."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(None, load_prices)
        return await asyncio.shield(self._loading)


def load_prices() -> Prices:
    """Load the price table. Slow: call it in a thread."""
    from genai_prices.data import providers

    return Prices(providers)


def _is_local(origin: str) -> bool:
    """Whether a call went to a machine nearby, where models of known names run for nothing."""
    if not origin:
        return False
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _cost(priced: _Priced, usage: Usage, at: datetime) -> float | None:
    from genai_prices import types

    counts = {
        "input_tokens": (usage.prompt_tokens or 0) + _cached_beside(usage),
        "output_tokens": usage.completion_tokens,
        "cache_read_tokens": usage.prompt_cache_read_tokens,
        "cache_write_tokens": usage.prompt_cache_write_tokens,
        "input_audio_tokens": usage.prompt_audio_tokens,
        "output_audio_tokens": usage.completion_audio_tokens,
    }
    try:
        price = priced.model.calc_price(
            types.Usage(**{name: number for name, number in counts.items() if number}),
            priced.provider,
            genai_request_timestamp=at,
        )
    except (ValueError, LookupError):  # counts that contradict each other
        return None
    return float(price.total_price) or None


def _cached_beside(usage: Usage) -> int:
    """The cached tokens that `prompt_tokens` does not hold: the total then does."""
    cached = (usage.prompt_cache_read_tokens or 0) + (usage.prompt_cache_write_tokens or 0)
    beside = (usage.total_tokens or 0) - (usage.prompt_tokens or 0) - (usage.completion_tokens or 0)
    return cached if 0 < cached <= beside else 0

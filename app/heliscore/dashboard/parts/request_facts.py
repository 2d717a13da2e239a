"""What is known of a request beside what was said, each with the address of the requests that share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from heliscore.api.shared.filter_leaves import Leaf, both, equals
from heliscore.dashboard.parts.number_formats import format_cost, format_count, format_duration
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.domain.filter_tree import Column, Property
from heliscore.store.search.found_requests import Request


class Fact(msgspec.Struct, frozen=True):
    """A line of the page."""

    title: str
    value: str
    href: str = ""
    """Empty where others share it by chance only, as a duration."""


def list_facts(request: Request) -> list[Fact]:
    """The facts that are known, those that others share first."""
    return [*_list_shared(request), *_list_numbers(request)]


def list_properties(properties: Mapping[str, str]) -> list[Fact]:
    """The properties in order of their keys."""
    keys = sorted(properties, key=lambda key: (key.casefold(), key))
    return [Fact(key, properties[key], _find(equals(Property(key), properties[key]))) for key in keys]


def _list_shared(request: Request) -> Iterator[Fact]:
    prompt = equals(Column("prompt_id"), request.prompt_id)
    version = equals(Column("prompt_version"), request.prompt_version)
    for title, value, leaves in (
        ("Model", request.model, [equals(Column("model"), request.model)]),
        ("Provider", request.provider, [equals(Column("provider"), request.provider)]),
        ("Prompt", request.prompt_id, [prompt]),
        ("Version", request.prompt_version, [prompt, version]),
        ("User", request.user_id, [equals(Column("user_id"), request.user_id)]),
        ("Path", request.request_path, [{"request": {"path": {"in": [request.request_path]}}}]),
    ):
        if value:
            yield Fact(title, value, _find(*leaves))
    if request.status is not None:
        status = {"request_response_rmt": {"status": {"equals": request.status}}}
        yield Fact("Status", str(request.status), _find(status))
    elif request.outcome is not None:
        yield Fact("Status", request.outcome)


_TOKENS: Final = {
    "Read from cache": "prompt_cache_read_tokens",
    "Written to cache": "prompt_cache_write_tokens",
    "Reasoning": "reasoning_tokens",
    "Audio in": "prompt_audio_tokens",
    "Audio out": "completion_audio_tokens",
}


def _list_numbers(request: Request) -> Iterator[Fact]:
    """Without counts of 0, which loggers send for those that they do not know."""
    for title, milliseconds in (
        ("Latency", request.latency_ms),
        ("First token", request.time_to_first_token_ms),
    ):
        if milliseconds is not None:
            yield Fact(title, format_duration(milliseconds))
    if request.total_tokens:
        yield Fact("Tokens", _describe_tokens(request, request.total_tokens))
    for title, column in _TOKENS.items():
        if count := getattr(request, column):
            yield Fact(title, f"{format_count(count)} tokens")
    if request.cost_usd:
        computed = " (computed)" if request.cost_is_computed else ""
        yield Fact("Cost", format_cost(request.cost_usd) + computed)


def _describe_tokens(request: Request, total: int) -> str:
    sent, received = request.prompt_tokens, request.completion_tokens
    if sent is None or received is None:
        return format_count(total)
    return f"{format_count(total)} ({format_count(sent)} in, {format_count(received)} out)"


def _find(*leaves: Leaf) -> str:
    """The requests of all time that meet the leaves."""
    return SearchAddress(filter=msgspec.json.encode(both("all", *leaves)).decode()).href()

"""Says an alert, a digest or a test of a destination in plain words: for Slack and for e-mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heliscore.domain.destination import DIGEST_TYPE, TEST_TYPE, Delivery, Destination

_STATES: Final = {"alert.firing": "Firing", "alert.resolved": "Resolved"}

_WHOLE_FROM: Final = 10_000
"""From here on a number is shown without a fraction."""


class AlertText(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say, in words."""

    title: str
    sentence: str
    facts: list[tuple[str, str]]
    """What is worth a line each, and its name."""

    link: str | None = None
    body: str = ""
    """Lines of text."""


def describe(destination: Destination, delivery: Delivery) -> AlertText:
    """Read what there is to say in a delivery's body; whatever is missing is left out."""
    body = msgspec.json.decode(delivery.body)
    data = _object(body, "data")
    if delivery.type == TEST_TYPE:
        return AlertText(
            title="Test from Heliscore",
            sentence=f"This is a test of the destination {destination.name}: alerts will arrive here.",
            facts=[],
        )
    if delivery.type == DIGEST_TYPE:
        return AlertText(
            title=f"Heliscore: {data.get('sentence')}",
            sentence="",
            facts=[],
            body=str(data.get("text") or "").rstrip(),
        )
    name = _object(data, "monitor").get("name")
    state = _STATES.get(delivery.type, delivery.type)
    return AlertText(
        title=": ".join(str(part) for part in (state, name) if part),
        sentence=str(data.get("sentence") or ""),
        facts=_list_facts(data),
        link=_find_link(data),
    )


def _list_facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    window = _object(data, "window")
    times = [str(time) for time in (window.get("start"), window.get("end")) if time]
    facts = (
        ("Group", data.get("group")),
        ("Value", _shown_number(data.get("value"))),
        ("Before", _shown_number(data.get("baseValue"))),
        ("State before", data.get("previousState")),
        ("Time", " to ".join(times)),
    )
    return [(name, str(fact)) for name, fact in facts if fact not in (None, "")]


def _find_link(data: Mapping[str, Any]) -> str | None:
    link = data.get("url")
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else None


def _object(raw: object, key: str) -> Mapping[str, Any]:
    found = raw.get(key) if isinstance(raw, dict) else None
    return found if isinstance(found, dict) else {}


def _shown_number(raw: object) -> str | None:
    if not isinstance(raw, float):
        return None if raw is None else str(raw)
    return f"{raw:.0f}" if abs(raw) >= _WHOLE_FROM else f"{raw:.4g}"

"""A span's metadata: Helicone's names, the user, the session and properties, from its attributes, its
resource and the HTTP headers of the export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from heliscore.api.opentelemetry.telemetry import Attributes, Span
from heliscore.api.shared.logged_bodies import storable
from heliscore.domain.messages import find_name_error
from heliscore.providers.span_values import first_string, structured
from heliscore.providers.usage import mapping

_ASSOCIATION: Final = "traceloop.association.properties."
_HELICONE: Final = "helicone-"
_PROPERTY: Final = "helicone-property-"
_OWN: Final = ("helicone.property.", "helicone.properties.")

_KEPT_OF_HELICONE: Final = {
    "helicone-session-id": "Helicone-Session-Id",
    "helicone-session-path": "Helicone-Session-Path",
    "helicone-session-name": "Helicone-Session-Name",
    "helicone-prompt-id": "Helicone-Prompt-Id",
}
"""Names that are properties too, as in Helicone's log calls."""

_KEPT: Final = ("traceloop.workflow.name", "traceloop.entity.name", "traceloop.entity.path")
_KEPT_OF_RESOURCE: Final = ("service.name", "deployment.environment.name", "deployment.environment")
"""Attributes that are kept as properties under their names."""

_UNKNOWN: Final = "unknown_service"
"""How SDKs name a service that has no name."""

_USER: Final = ("user.id", "enduser.id", "llm.user", "gen_ai.user")
_SESSION: Final = ("session.id", "gen_ai.conversation.id")


class Metadata(msgspec.Struct, frozen=True):
    """What is known of a request beside its exchange."""

    names: Mapping[str, str]
    """Helicone's names in lower case, without those of properties."""

    properties: Mapping[str, str]
    user_id: str | None
    warnings: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """The value under one of Helicone's names; None where it is absent or empty."""
        return self.names.get(name.lower()) or None


def read_metadata(span: Span, headers: Mapping[str, str]) -> Metadata:
    """Read a span's metadata; the span's own counts before that of its resource and of the headers."""
    names, properties, errors = dict[str, str](), dict[str, str](), list[str]()
    for name, value in _entries(span, headers):
        if name.lower().startswith(_PROPERTY):
            _set_property(name[len(_PROPERTY) :], value, properties, errors)
        elif name.lower().startswith(_HELICONE):
            names[name.lower()] = value
        else:
            _set_property(name, value, properties, errors)
    names.setdefault("helicone-session-id", first_string(span.attributes, *_SESSION) or "")
    for name, key in _KEPT_OF_HELICONE.items():
        if names.get(name):
            properties[key] = storable(names[name])
    user_id = names.get("helicone-user-id") or first_string(span.attributes, *_USER)
    return Metadata(names, properties, storable(user_id) if user_id else None, tuple(errors))


def _set_property(name: str, value: str, properties: dict[str, str], errors: list[str]) -> None:
    if error := find_name_error(name):
        errors.append(f"property: the name {error}")
    else:
        properties[name] = storable(value)


def _entries(span: Span, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names with their values as strings, from the general to the particular."""
    for name, value in headers.items():
        if name.startswith(_HELICONE) and name not in ("helicone-request-id", "helicone-auth"):
            yield name, value
    resource, attributes = span.source.resource, span.attributes
    for held, kept in ((resource, _KEPT_OF_RESOURCE), (attributes, _KEPT)):
        for name in kept:
            said = first_string(held, name) or _UNKNOWN
            if not said.startswith(_UNKNOWN):
                yield name, said
    yield from _named(resource)
    for key, entry in mapping(structured(attributes.get("metadata"))).items():
        yield str(key), _as_string(entry)
    yield from _named(attributes)


def _named(attributes: Attributes) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        if value is None:
            continue
        if name.startswith(_ASSOCIATION):
            yield name.removeprefix(_ASSOCIATION), _as_string(value)
        elif name.lower().startswith(_HELICONE):
            yield name, _as_string(value)
        elif name.startswith("helicone."):
            yield _dashed(name), _as_string(value)


def _dashed(name: str) -> str:
    """`helicone.request.id` as `helicone-request-id`; the name of a property stays as it is."""
    for prefix in _OWN:
        if name.startswith(prefix):
            return _PROPERTY + name.removeprefix(prefix)
    return name.replace(".", "-").replace("_", "-")


def _as_string(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

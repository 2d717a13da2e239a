"""A logged request's metadata: `Helicone-*` in HTTP headers or in `providerRequest.meta`; headers win."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.shared.logged_bodies import storable
from heliscore.domain.messages import find_name_error

_PROPERTY_PREFIX: Final = "helicone-property-"
_PROPERTY_HEADERS: Final = (
    "Helicone-Session-Id",
    "Helicone-Session-Path",
    "Helicone-Session-Name",
    "Helicone-Prompt-Id",
)


class Metadata:
    """The values by name; names are looked up in any case."""

    def __init__(self, headers: Headers, meta: Mapping[str, str], errors: FieldErrors) -> None:
        self._errors = errors
        self._values = {storable(name): storable(text) for name, text in meta.items()}
        for name, value in headers.items():
            if name.startswith("helicone-"):
                self._drop(name)
                self._values[name] = _as_utf8(value)

    def _drop(self, name: str) -> None:
        for known in [known for known in self._values if known.lower() == name]:
            del self._values[known]

    def get(self, name: str) -> str | None:
        """The value under a name; None where it is absent or empty."""
        lower = name.lower()
        return next(
            (value for known, value in self._values.items() if known.lower() == lower and value), None
        )

    def omits(self, what: str) -> bool:
        return (self.get(f"Helicone-Omit-{what}") or "").lower() == "true"

    def properties(self) -> dict[str, str]:
        """The properties in the metadata. HTTP headers have lost the case of their names. A name that no
        other call could use is left out, and noted as an error."""
        prefix = len(_PROPERTY_PREFIX)
        found = {}
        for name, value in self._values.items():
            if name.lower().startswith(_PROPERTY_PREFIX) and len(name) > prefix:
                if error := find_name_error(name[prefix:]):
                    self._errors.add(step("", f"Helicone-Property-{name[prefix:]}"), error)
                else:
                    found[name[prefix:]] = value
        return found | {name: text for name in _PROPERTY_HEADERS if (text := self.get(name)) is not None}


def _as_utf8(value: str) -> str:
    """HTTP headers are Latin-1 by the standard, but clients send UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value

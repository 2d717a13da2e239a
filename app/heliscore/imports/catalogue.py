"""The formats that are known, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from heliscore.imports.helicone_rows import HELICONE
from heliscore.imports.heliscore_rows import HELISCORE
from heliscore.imports.langfuse_rows import LANGFUSE
from heliscore.imports.phoenix_rows import PHOENIX
from heliscore.imports.promptlayer_rows import PROMPTLAYER
from heliscore.imports.row_formats import RowFormat

FORMATS: Final[Mapping[str, RowFormat]] = {
    format_.name: format_ for format_ in (HELISCORE, HELICONE, LANGFUSE, PHOENIX, PROMPTLAYER)
}


def recognise(values: Mapping[str, Any]) -> RowFormat | None:
    """The format of a row; None where it is of none, or of several."""
    found = [format_ for format_ in FORMATS.values() if format_.recognises(values)]
    return found[0] if len(found) == 1 else None

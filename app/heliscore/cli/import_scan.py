"""Reads a file once, before anything is sent: which fields and values are in it, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from heliscore.domain.errors import NotAsked
from heliscore.domain.export_columns import PROPERTY, SCORE
from heliscore.imports.catalogue import FORMATS, recognise
from heliscore.imports.fields import CONSTANT, Found, is_nothing
from heliscore.imports.files import RowFile
from heliscore.imports.heliscore_rows import HELISCORE
from heliscore.imports.lines import ReadRow, read_row
from heliscore.imports.row_formats import RowFormat
from heliscore.imports.value_rules import Rule, Seen, choose_rule, describe

ALL: Final = "*"
"""In place of a score's name: whichever has no scale of its own."""

_LABEL_WIDTH: Final = 26
_MAX_COLUMNS: Final = 1000


class Wishes(msgspec.Struct, frozen=True):
    """What the user says of all files."""

    format_name: str | None
    sources: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, int]
    author: str | None


class Scan:
    """What is in a file."""

    def __init__(self, file: RowFile, wishes: Wishes, seen: dict[str, Seen]) -> None:
        """`seen`: the values of all files by the scores' names, so that a name has one rule. Raises NotAsked
        where the format is unknown."""
        self.file = file
        self.format = _find_format(file, wishes.format_name)
        self.sources = {**self.format.sources, **wishes.sources}
        self.row_count = 0
        self._seen = seen
        self._wishes = wishes
        self._columns: dict[str, None] = {}
        self._found: set[str] = set()

    @property
    def passes_lines_on(self) -> bool:
        """Whether the lines of the file are those that are sent."""
        is_changed = self._wishes.sources or self._wishes.scales
        return self.format is HELISCORE and self.file.form == "JSONL" and not is_changed

    @property
    def author(self) -> str | None:
        """Of scores of which the file says none."""
        return self._wishes.author or (None if self.format is HELISCORE else f"api:{self.format.name}")

    def read(self, advance: Callable[[], None]) -> None:
        """Read the whole file, of which lines are made. Raises NotRead."""
        for row in self.file:
            self.row_count += 1
            self._add(read_row(row, self.format, self.sources))
            advance()

    def _add(self, read: ReadRow) -> None:
        for score in read.scores:
            self._seen.setdefault(score.name, Seen()).add(score)
        if len(self._columns) < _MAX_COLUMNS:
            values = read.row.values
            self._columns.update(dict.fromkeys(name for name in values if not is_nothing(values[name])))
        found = Found(self.sources, read.row.values)
        self._found.update(
            name for name in self.sources if name not in self._found and found.get(name) is not None
        )

    def describe(self) -> Iterator[str]:
        """The mapping of fields, line by line."""
        title = f"{self.file.path}: {self.format.title}, {self.file.form}"
        if self.passes_lines_on:
            yield f"{title}: lines are sent as they are"
            return
        yield f"{title}, {self.row_count:,} rows"
        for name, sources in self.sources.items():
            if name in self._found:
                yield f"  {name:<{_LABEL_WIDTH}} <- {', else '.join(sources)}"
        if missing := [name for name in self._columns if not self._is_taken(name)]:
            yield f"  not taken: {', '.join(missing)}"
        yield f"  scores without an author are {self.author or 'of nobody who is known'}"

    def _is_taken(self, column: str) -> bool:
        is_ours = self.format is HELISCORE and column.startswith((SCORE, PROPERTY))
        used = (source for sources in self.sources.values() for source in sources)
        return is_ours or any(
            not source.startswith(CONSTANT) and (source == column or source.startswith(f"{column}."))
            for source in used
        )


def choose_rules(
    seen: Mapping[str, Seen], scales: Mapping[str, int], definitions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Rule]:
    """The rule of each score's name; `definitions` are the service's."""
    return {
        name: choose_rule(values, scales.get(name, scales.get(ALL)), definitions.get(name))
        for name, values in seen.items()
    }


def describe_rules(seen: Mapping[str, Seen], rules: Mapping[str, Rule]) -> Iterator[str]:
    """What becomes of the values of each score, line by line."""
    for name, values in sorted(seen.items()):
        yield f"score {name:<{_LABEL_WIDTH - 4}} <- {describe(rules[name], values)} ({values.count:,})"


def _find_format(file: RowFile, name: str | None) -> RowFormat:
    if name is not None:
        return FORMATS[name]
    first = file.find_first()
    if first is None:
        raise NotAsked(f"{file.path}: there is no row in it")
    format_ = recognise(first.values)
    if format_ is None:
        raise NotAsked(f"{file.path}: the format is not recognised: say which by --format")
    return format_

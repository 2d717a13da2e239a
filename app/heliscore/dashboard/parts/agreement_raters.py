"""The raters of an address: which there are to choose from, which are chosen, and how people call them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.domain.author import KINDS
from heliscore.domain.errors import FieldError
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.rater import Rater
from heliscore.domain.score import MAX_VALUE, MIN_VALUE, title_of
from heliscore.store.known_raters import RatedName

MAX_RATERS: Final = 10
_PEOPLE: Final = {"human": "people", "judge": "judges", "code": "code", "api": "API clients"}
_NONE: Final = "none"
_LONGEST: Final = 40
_PART_OF_RANGE: Final = 20
"""Values that differ by at most a twentieth of a name's range agree, unless the address says otherwise."""


class Offered(msgspec.Struct, frozen=True):
    """The raters of one score name."""

    title: str
    raters: tuple[Rater, ...]


class AgreementQuestion(msgspec.Struct, frozen=True):
    """What an address asks for."""

    raters: tuple[Rater, ...]
    """The reference is the last one."""

    reference: Rater | None
    threshold: int | None
    tolerance: int


def encode_rater(rater: Rater) -> str:
    """A rater in an address: the score's name, or a JSON array of it and the author's parts."""
    if not rater.is_of_authors and not rater.name.startswith("["):
        return rater.name
    parts = [rater.name, rater.kind or "", rater.author or "", rater.version or ""]
    while parts[-1] == "" and len(parts) > 1:
        parts.pop()
    return msgspec.json.encode(parts).decode()


def _decode_rater(text: str) -> Rater | None:
    """None: it is none."""
    if not text.startswith("["):
        return None if find_name_error(text) else Rater(text)
    try:
        parts = msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        return None
    if not 1 <= len(parts) <= 4 or find_name_error(parts[0]) or any("\0" in part for part in parts):
        return None
    name, kind, author, version = [*parts, "", "", ""][:4]
    known: Any = kind if kind in KINDS else None
    return None if kind and known is None else Rater(name, known, author or None, version or None)


def read_question(
    time_range: TimeRange, names: Sequence[RatedName]
) -> tuple[AgreementQuestion, list[FieldError]]:
    """Read an address. Without raters, those of the name are taken that most often has both a human's and a
    judge's value; without a reference, the people among them."""
    errors: list[FieldError] = []
    raters = _read_raters(time_range, errors) or _default_raters(names)
    reference = next((rater for rater in raters if rater.kind == "human"), None)
    if text := time_range.one("reference"):
        reference = None if text == _NONE else next((r for r in raters if encode_rater(r) == text), None)
    others = [rater for rater in raters if rater != reference]
    raters = (*others, *(() if reference is None else (reference,)))
    tolerance = _read_integer(time_range, "tolerance", 0, errors)
    question = AgreementQuestion(
        raters,
        reference,
        _read_integer(time_range, "threshold", MIN_VALUE, errors),
        _default_tolerance(raters, names) if tolerance is None else tolerance,
    )
    return question, errors


def settle(time_range: TimeRange, question: AgreementQuestion) -> TimeRange:
    """Put the raters that an address leaves open into it."""
    if time_range.all("rater"):
        return time_range
    pairs = [("rater", encode_rater(rater)) for rater in question.raters]
    return msgspec.structs.replace(time_range, pairs=(*time_range.pairs, *pairs))


def _read_raters(time_range: TimeRange, errors: list[FieldError]) -> tuple[Rater, ...]:
    raters = []
    for text in time_range.all("rater"):
        rater = _decode_rater(text)
        if rater is None:
            expected = "a score's name, or an array of it and an author's kind, name and version"
            errors.append(FieldError("rater", f"expected {expected}, got {described(text)}"))
        else:
            raters.append(rater)
    if len(raters) > MAX_RATERS:
        errors.append(FieldError("rater", f"at most {MAX_RATERS} at a time"))
    return tuple(dict.fromkeys(raters))


def _read_integer(time_range: TimeRange, name: str, least: int, errors: list[FieldError]) -> int | None:
    text = time_range.one(name)
    if not text:
        return None
    try:
        value = int(text) if len(text) <= 20 else None
    except ValueError:
        value = None
    if value is None or not least <= value <= MAX_VALUE:
        errors.append(FieldError(name, f"expected an integer from {least}, got {described(text)}"))
        return None
    return value


def _default_raters(names: Sequence[RatedName]) -> tuple[Rater, ...]:
    best = max(names, key=lambda name: name.pairs, default=None)
    if best is None or not best.pairs:
        return ()
    kinds = {author.kind for author in best.authors}
    return (Rater(best.name, "judge" if "judge" in kinds else "code"), Rater(best.name, "human"))


def _default_tolerance(raters: Iterable[Rater], names: Sequence[RatedName]) -> int:
    of_raters = {rater.name for rater in raters}
    ranges = [name.highest - name.lowest for name in names if name.name in of_raters]
    return max(ranges, default=0) // _PART_OF_RANGE


def offer_raters(names: Sequence[RatedName], chosen: Iterable[Rater]) -> list[Offered]:
    """The raters to choose from, by score name, and those that are chosen."""
    offered = {name.name: _raters_of(name) for name in names}
    for rater in chosen:
        of_name = offered.setdefault(rater.name, (Rater(rater.name),))
        if rater not in of_name:
            offered[rater.name] = (*of_name, rater)
    return [Offered(title_of(name), raters) for name, raters in offered.items()]


def _raters_of(name: RatedName) -> tuple[Rater, ...]:
    """The score itself, each kind, and each author where a kind has several."""
    raters = [Rater(name.name)]
    for kind in KINDS:
        authors = [author for author in name.authors if author.kind == kind]
        if authors:
            raters.append(Rater(name.name, kind))
        if len(authors) > 1:
            raters += [Rater(name.name, kind, author.name, author.version or None) for author in authors]
    return tuple(raters)


def name_rater(rater: Rater, others: Iterable[Rater] = ()) -> str:
    """A rater for people: `people`, `judges`, `ada`, or with the score's name where the raters' differ."""
    if not rater.is_of_authors:
        return shortened(title_of(rater.name), _LONGEST)
    author = name_author(rater)
    if all(other.name == rater.name and other.is_of_authors for other in others):
        return author
    return f"{shortened(title_of(rater.name), _LONGEST)} by {author}"


def name_author(rater: Rater) -> str:
    """The author alone; `the score` for whatever value stands."""
    if not rater.is_of_authors:
        return "the score"
    version = f" {shortened(rater.version, _LONGEST)}" if rater.version else ""
    if rater.author:
        return shortened(rater.author, _LONGEST) + version
    return (_PEOPLE[rater.kind] if rater.kind else "any author") + version


def show_rater(rater: Rater) -> object:
    """A rater as the API takes it."""
    if not rater.is_of_authors:
        return rater.name
    parts = {"kind": rater.kind, "name": rater.author, "version": rater.version}
    return {"name": rater.name, "author": {key: value for key, value in parts.items() if value}}

"""Which groups a comparison is of, and in which order: the base first, then by a rule that the page says.

Versions are compared within one prompt only: version 4 of one prompt and version 1 of another have nothing in
common but that they are numbered.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.store.facets import Facets

VERSION: Final = "prompt_version"
OF: Final = "of"
"""The parameter that says what the groups of a sent form are values of: another choice drops them."""

_PROMPT: Final = "prompt"
_DEFAULT_GROUPS: Final = 4
_RULES: Final = {
    VERSION: "the base first, then the newest version",
}
_DIGITS: Final = re.compile(r"(\d+)")


def settle(time_range: TimeRange, facets: Facets) -> TimeRange:
    """Put what the address leaves open into it: what is compared, and of which prompt. Groups that were
    chosen of something else are dropped."""
    by, of = time_range.one("by"), time_range.one(OF)
    left_out = [OF]
    if of.startswith(f"{VERSION}:") and by != VERSION:
        left_out.append(_PROMPT)  # it was chosen for its versions
    pairs = [pair for pair in time_range.pairs if pair[0] not in left_out]
    if not by:
        has_versions = len(facets.versions_of(_find_prompt(time_range, facets))) > 1
        by = VERSION if has_versions and not time_range.all("group") else "model"
        pairs.append(("by", by))
    if by == VERSION and not time_range.one(_PROMPT) and (prompt := _find_prompt(time_range, facets)):
        pairs.append((_PROMPT, prompt))
    settled = replace(time_range, pairs=tuple(pairs))
    if of and of != make_of(settled):
        pairs = [pair for pair in pairs if pair[0] not in ("group", "without")]
    return replace(time_range, pairs=tuple(pairs))


def make_of(time_range: TimeRange) -> str:
    """What the groups are values of."""
    by = time_range.one("by")
    return f"{by}:{time_range.one(_PROMPT)}" if by == VERSION else by


def _find_prompt(time_range: TimeRange, facets: Facets) -> str:
    """The prompt of the address, or the most used one that has versions; empty where there is none."""
    if prompt := time_range.one(_PROMPT):
        return prompt
    prompts = facets.of("prompt_id")
    return next((prompt for prompt in prompts if facets.versions_of(prompt)), "")


def offer_groups(time_range: TimeRange, facets: Facets) -> list[str]:
    """The values to choose from, the most frequent first."""
    by = time_range.one("by")
    return facets.versions_of(time_range.one(_PROMPT)) if by == VERSION else facets.of(by)


def choose_groups(time_range: TimeRange, facets: Facets) -> list[str | None]:
    """The groups of the address, or else the most frequent ones, in the page's order."""
    offered = offer_groups(time_range, facets)
    groups: list[str | None] = [*time_range.all("group")]
    if time_range.one("without"):
        groups.append(None)
    return _arrange(
        groups or [*offered[:_DEFAULT_GROUPS]], offered, is_version=time_range.one("by") == VERSION
    )


def _arrange(groups: list[str | None], offered: list[str], *, is_version: bool) -> list[str | None]:
    named = [group for group in groups[1:] if group is not None]
    if is_version:
        named.sort(key=_version_key, reverse=True)
    else:
        named.sort(key=lambda group: (group not in offered, offered.index(group) if group in offered else 0))
    return [*groups[:1], *named, *([None] if None in groups[1:] else [])]


def _version_key(version: str) -> list[tuple[int, int, str]]:
    """Numbers by size, so that version 10 is after 9."""
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part) for part in _DIGITS.split(version) if part
    ]


def describe_order(time_range: TimeRange) -> str:
    """The rule of the order, for people."""
    return _RULES.get(time_range.one("by"), "the base first, then the group with the most requests")

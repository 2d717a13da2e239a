"""Where the numbers of a comparison lead: to the requests of a group, of a bar, or of two groups' cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from heliscore.api.shared.filter_leaves import equals, scored, scored_between
from heliscore.dashboard.parts.comparison_method import subject_of
from heliscore.dashboard.parts.request_links import requests_href, worst_first
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.dashboard.parts.trends import Bin
from heliscore.domain.score_definition import ScoreDefinition

CASES: Final = "/compare/cases"
CHECK: Final = "/compare/check"


class Links(msgspec.Struct, frozen=True):
    """Makes addresses for one comparison."""

    time_range: TimeRange
    definitions: Mapping[str, ScoreDefinition]

    def of_group(self, score: str, group: str | None) -> str:
        """The requests of a group that have the score, the worst first where that is known."""
        group_leaf = equals(subject_of(self.time_range.one("by")), group)
        return requests_href(
            self.time_range, group_leaf, scored(score), sort=worst_first(score, self.definitions)
        )

    def of_bin(self, score: str, group: str | None, bin_: Bin) -> str:
        """The requests of a group whose score is in a bin."""
        group_leaf = equals(subject_of(self.time_range.one("by")), group)
        values = scored_between(score, bin_.lower, bin_.lower + bin_.width - 1)
        return requests_href(self.time_range, group_leaf, values)

    def cases(self, score: str, base: str | None, other: str | None, pair: str) -> str:
        """The items that both groups have, side by side."""
        return f"{CASES}?{urlencode([*self._two(base, other), ('pair', pair), ('score', score)])}"

    def check(self, scores: list[str], base: str | None, other: str | None, pair: str | None) -> str:
        """The form of a release check."""
        pairs = [*self._two(base, other), *(("score", score) for score in scores)]
        return f"{CHECK}?{urlencode([*pairs, *([('pair', pair)] if pair else [])])}"

    def _two(self, base: str | None, other: str | None) -> list[tuple[str, str]]:
        """The address of two groups, the base first; the requests without a value are `without`."""
        own = ("group", "without", "score", "pair", "unit", "looks", "effect", "page")
        pairs = [pair for pair in self.time_range.pairs if pair[0] not in own]
        pairs += [("group", group) for group in (base, other) if group is not None]
        if None in (base, other):
            pairs.append(("without", "base" if base is None else "1"))
        return pairs

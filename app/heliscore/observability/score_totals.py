"""Count and sum of the score values written since the start, by organization and score name.

An organization is shown its own values only, so they are not among the metrics of the service. The values of
a batch are added up first: prometheus-client's summary takes one value at a time, at several times the cost.

The number of series is bounded. Beyond it the values of an organization's further names are summed up under
one name; once there are too many organizations, theirs are counted for no organization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from heliscore.domain.score import Score

MAX_NAMES: Final = 200
"""Score names of an organization that have a series each."""

MAX_SERIES: Final = 1_000
"""The same, over all organizations."""

OTHER: Final = "_other"
"""The name of the series of all further names."""

_NOBODY: Final = 0
"""No organization's id."""

_Series = tuple[int, str]
"""Organization and score name."""


class _Total:
    __slots__ = ("count", "sum")

    def __init__(self) -> None:
        self.count = self.sum = 0


class SeriesRegistry:
    """The series of a process."""

    def __init__(self) -> None:
        self._totals: dict[int, dict[str, _Total]] = {}
        self._series_count = 0
        self._names: Counter[int] = Counter()

    def find(self, organization_id: int, name: str) -> _Series:
        """Return the series that counts a name: its own, made where there is room for one more, or the one of
        all further names."""
        if name in self._totals.get(organization_id, ()):
            return organization_id, name
        if self._names[organization_id] < MAX_NAMES and self._names.total() < MAX_SERIES:
            self._names[organization_id] += 1
            return self._make(organization_id, name)
        return self._make(organization_id if self._series_count < 2 * MAX_SERIES else _NOBODY, OTHER)

    def _make(self, organization_id: int, name: str) -> _Series:
        totals = self._totals.setdefault(organization_id, {})
        if name not in totals:
            totals[name] = _Total()
            self._series_count += 1
        return organization_id, name

    def add(self, series: _Series, count: int, sum_: int) -> None:
        organization_id, name = series
        total = self._totals[organization_id][name]
        total.count += count
        total.sum += sum_

    def render(self, organization_id: int) -> bytes:
        """Render an organization's series as `heliscore_score_value` in Prometheus' text format. It takes
        milliseconds: call it in a thread."""
        return generate_latest(_OneOrganization(dict(self._totals.get(organization_id, {}))))


class _OneOrganization(Collector):
    def __init__(self, totals: Mapping[str, _Total]) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        family = SummaryMetricFamily(
            "heliscore_score_value", "Values of the scores that were written, by name.", labels=("name",)
        )
        for name, total in self._totals.items():
            family.add_metric((name,), total.count, total.sum)
        return (family,)


SERIES: Final = SeriesRegistry()
"""Of this process."""


class ScoreTotals:
    """The values of one batch: added while they are being written, counted once they are."""

    def __init__(self, series: SeriesRegistry = SERIES) -> None:
        self._series = series
        self._begin()

    def _begin(self) -> None:
        self._by_name: dict[int, dict[str, _Total]] = {}
        self._by_series: dict[_Series, _Total] = {}

    def add(self, organization_id: int, scores: Mapping[str, Score]) -> None:
        totals = self._by_name.setdefault(organization_id, {})
        for name, score in scores.items():
            total = totals.get(name)
            if total is None:
                series = self._series.find(organization_id, name)
                total = totals[name] = self._by_series.setdefault(series, _Total())
            total.count += 1
            total.sum += score.value

    def count(self) -> int:
        """Count what was added since the last time, and return how many scores that were."""
        totals = self._by_series
        self._begin()
        for series, total in totals.items():
            self._series.add(series, total.count, total.sum)
        return sum(total.count for total in totals.values())

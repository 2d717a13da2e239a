from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.dashboard.parts.chart_marks import make_marks
from heliscore.dashboard.parts.charts import (
    Bands,
    Line,
    Tick,
    bin_ticks,
    format_tick,
    nice_values,
    scale_around,
    scale_from_zero,
    time_ticks,
    value_ticks,
)
from heliscore.dashboard.parts.score_charts import make_distribution, make_shares, make_spread, make_trend
from heliscore.dashboard.parts.time_range import STEPS
from heliscore.dashboard.parts.trends import Bin, TrendPoint
from heliscore.store.evaluations import Total

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def point(day: int, count: int, sum_: int, *, boolean: bool = False) -> TrendPoint:
    total = Total(count, sum_, 0, sum_, boolean) if count else None
    return TrendPoint(MONDAY + day * DAY, f"day {day}", total)


@pytest.mark.parametrize(
    ("low", "high", "most", "values"),
    [
        (0, 417, 5, [0, 100, 200, 300, 400]),
        (69.2, 87.1, 5, [70, 75, 80, 85]),
        (-7, 3, 5, [-6, -4, -2, 0, 2]),
        (0, 0.26, 5, [0, 0.1, 0.2]),
        (0, 72, 2, [0, 50]),
    ],
)
def test_nice_values_are_round(low: float, high: float, most: int, values: list[float]) -> None:
    assert nice_values(low, high, most) == pytest.approx(values)


def test_counts_are_named_by_integers() -> None:
    assert scale_from_zero(1, least_step=1).values == [0, 1]
    assert scale_from_zero(0, least_step=1).values == [0, 1]


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-9, 2.0**63, -(2.0**63)])
def test_a_single_value_stands_in_the_middle(value: float) -> None:
    scale = scale_around(value, value)
    assert scale.place(value) == pytest.approx(50)
    assert len(scale.values) >= 2


@pytest.mark.parametrize(("low", "high"), [(2.0**63 - 2048, 2.0**63), (-(2.0**63), 2.0**63), (1e-12, 2e-12)])
def test_extreme_values_fit(low: float, high: float) -> None:
    scale = scale_around(low, high)
    assert 0 <= scale.place(low) < scale.place(high) <= 100


def test_shares_never_go_beyond_all_and_none() -> None:
    scale = scale_around(0.0, 1.0, within=(0, 1))
    assert (scale.low, scale.high) == (0, 1)
    assert [tick.label for tick in value_ticks(scale, is_share=True)] == [
        "0%",
        "20%",
        "40%",
        "60%",
        "80%",
        "100%",
    ]
    assert scale_around(1.0, 1.0, within=(0, 1)).place(1) == 100


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0, "0"),
        (0.30000000000000004, "0.3"),
        (-40, "-40"),
        (8_000, "8,000"),
        (12_500, "12.5k"),
        (3_000_000, "3M"),
        (-2_000_000_000, "-2B"),
        (5 * 10**14, "500T"),
        (2**63, "9.22e+18"),
    ],
)
def test_ticks_are_short(value: float, label: str) -> None:
    assert format_tick(value) == label


def test_a_line_has_a_run_on_each_side_of_a_gap() -> None:
    line = Line(1, [(0, 50), (50, 0), None, (100, 12.34)])
    assert line.runs == ["0.0,50.0 50.0,0.0", "100.0,12.3 100.0,12.3"]
    assert line.markers == [(0, 50), (50, 0), (100, 12.34)]
    assert Line(1, line.places, has_markers=False).markers == []


def test_bands_share_the_width() -> None:
    bands = Bands(4)
    assert (bands.begin(1), bands.centre(1), bands.width()) == (25, 37.5, 25)
    assert (bands.begin(1, 0.5), bands.width(0.5)) == (31.25, 12.5)


def names(begin: datetime, count: int, step: str) -> list[tuple[str, str]]:
    ticks = time_ticks([begin + n * STEPS[step] for n in range(count)], STEPS[step])
    return [(tick.label, tick.more) for tick in ticks]


def test_hours_are_named_by_hour_and_day() -> None:
    assert names(MONDAY - 9 * HOUR, 24, "hour") == [
        ("15:00", "1 Mar"), ("18:00", ""), ("21:00", ""), ("00:00", "2 Mar"),
        ("03:00", ""), ("06:00", ""), ("09:00", ""), ("12:00", ""),
    ]  # fmt: skip


def test_many_hours_are_named_by_midnights() -> None:
    assert names(MONDAY - 5 * HOUR, 168, "hour") == [
        ("2 Mar", "2026"),
        *((f"{day} Mar", "") for day in range(3, 9)),
    ]


def test_days_are_named_by_mondays() -> None:
    assert names(datetime(2025, 12, 20, tzinfo=UTC), 30, "day") == [
        ("22 Dec", "2025"), ("29 Dec", ""), ("5 Jan", "2026"), ("12 Jan", ""),
    ]  # fmt: skip


def test_where_half_of_the_names_have_to_do_a_new_day_keeps_its_name() -> None:
    ticks = time_ticks([MONDAY - 9 * HOUR + n * HOUR for n in range(24)], HOUR)
    assert [tick.label for tick in ticks if not tick.is_spare] == ["18:00", "00:00", "06:00", "12:00"]


@pytest.mark.parametrize("step", STEPS)
def test_every_period_has_a_few_names(step: str) -> None:
    for count in range(2, 531):
        begins = [MONDAY + n * STEPS[step] for n in range(count)]
        assert 1 <= len(time_ticks(begins, STEPS[step])) <= 9 + (step == "week") * 3


def test_bins_are_named_by_round_numbers_where_they_begin() -> None:
    ticks = bin_ticks(range(35, 100, 5), 5)
    assert [tick.label for tick in ticks] == ["40", "50", "60", "70", "80", "90"]
    assert [tick.place for tick in ticks] == pytest.approx([100 / 13 * n for n in (1, 3, 5, 7, 9, 11)])
    assert bin_ticks([3, 4], 1) == [Tick(25, "3"), Tick(75, "4")]
    assert len(bin_ticks(range(-(2**63), 2**63, 2**59), 2**59)) <= 5


def test_a_trend_has_its_average_above_its_counts() -> None:
    chart = make_trend([point(0, 2, 10), point(1, 0, 0), point(2, 1, 9)], "day", is_share=False)
    above, below = chart.plots
    first, gap, last = above.lines[0].places
    assert gap is None
    assert first == pytest.approx((100 / 6, 100 - 100 * 0.06 / 1.12))
    assert last == pytest.approx((500 / 6, 100 * 0.06 / 1.12))
    assert [box.height for box in below.boxes] == pytest.approx([100 / 1.06, 50 / 1.06])
    assert [target.text for target in chart.targets] == [
        "day 0\naverage 5\n2 scores", "day 1\nno score", "day 2\naverage 9\n1 score",
    ]  # fmt: skip


def test_a_distribution_has_no_bar_for_an_empty_bin() -> None:
    chart = make_distribution([Bin(0, 5, [3]), Bin(5, 5, [0]), Bin(10, 5, [1])], is_share=False)
    boxes = chart.plots[0].boxes
    assert [box.x for box in boxes] == pytest.approx([100 / 3 * 0.04, 100 / 3 * 2.04])
    assert [box.height for box in boxes] == pytest.approx([100 / 1.06, 100 / 3.18])
    assert chart.targets[0].text == "0 \N{EN DASH} 4\n3 scores, 75%"


def test_groups_of_any_size_lie_over_each_other() -> None:
    chart = make_spread([Bin(0, 1, [1, 0, 100]), Bin(1, 1, [3, 0, 300])], ["A", "B", "C"])
    a, c = chart.plots[0].lines
    assert (a.series, c.series) == (1, 3)
    assert a.places == c.places
    assert chart.targets[1].text == "1\nA: 75%, 3\nC: 75%, 300"


def test_a_click_leads_to_the_requests_of_the_nearest_point() -> None:
    bins = [Bin(0, 1, [1, 0, 3]), Bin(1, 1, [0, 0, 0]), Bin(2, 1, [3, 0, 1])]
    hrefs = [["/a0", "", "/c0"], ["", "", ""], ["/a2", "", "/c2"]]
    chart = make_spread(bins, ["A", "B", "C"], hrefs)
    a, c = ([place[1] for place in line.places if place] for line in chart.plots[0].lines)
    assert [(target.href, target.y, target.y + target.height) for target in chart.targets] == [
        ("/c0", 0, pytest.approx((a[0] + c[0]) / 2)), ("/a0", pytest.approx((a[0] + c[0]) / 2), 100),
        ("", 0, 100),
        ("/a2", 0, pytest.approx((a[2] + c[2]) / 2)), ("/c2", pytest.approx((a[2] + c[2]) / 2), 100),
    ]  # fmt: skip


def test_a_bar_of_shares_leads_to_its_group() -> None:
    chart = make_shares([Bin(0, 1, [1, 0]), Bin(1, 1, [3, 0])], ["A", "B"], ["/a", "/b"])
    assert [target.href for target in chart.targets] == ["/a", ""]


def test_a_group_without_a_score_keeps_its_row() -> None:
    chart = make_shares([Bin(0, 1, [1, 0]), Bin(1, 1, [3, 0])], ["A", "a name that is far too long"])
    assert [(box.label, box.width) for box in chart.plots[0].boxes] == [
        ("75%", pytest.approx(75 / 1.18)), ("no score", 0),
    ]  # fmt: skip
    assert [target.text for target in chart.targets] == [
        "A: 75%\n3 of 4", "a name that is far too long: no score",
    ]  # fmt: skip


def test_names_of_marks_do_not_lie_over_each_other() -> None:
    marks = make_marks(
        [(10.0, "a", "/a"), (11, "b", "/b"), (11.5, "c", "/c"), (12, "d", "/d"), (90, "e", "/e")]
    )
    assert [(mark.label, mark.row, mark.anchor) for mark in marks] == [
        ("a", 0, "start"), ("b", 1, "start"), ("c", 2, "start"), ("", 0, "start"), ("e", 0, "end"),
    ]  # fmt: skip

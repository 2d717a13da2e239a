from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from heliscore.api.shared.filter_leaves import Leaf, between, equals, scored, scored_between
from heliscore.dashboard.parts.request_links import requests_href, worst_first
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range
from heliscore.domain.filter_tree import Column
from heliscore.domain.score_definition import ScoreDefinition
from starlette.datastructures import QueryParams

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
TABLE = "request_response_rmt"


def read(query: str) -> TimeRange:
    return read_time_range(QueryParams(query), NOW, frozenset(("score",)))


@pytest.mark.parametrize(
    ("query", "leaves", "expected"),
    [
        ("", (), {"range": "7d"}),
        ("range=30d&score=tone", (), {"range": "30d"}),
        ("from=2026-03-01", (), {"from": "2026-03-01"}),
        ("range=7d&from=2026-03-01&to=2026-03-02", (), {"from": "2026-03-01", "to": "2026-03-02"}),
        (
            "range=24h&model=a&key=env",
            (),
            {
                "range": "24h",
                "filter": {TABLE: {"model": {"in": ["a"]}, "properties": {"env": {"exists": True}}}},
            },
        ),
        (
            "",
            (scored("tone"), scored_between("tone", 3, 5)),
            {"range": "7d", "filter": {TABLE: {"scores": {"tone": {"exists": True, "gte": 3, "lte": 5}}}}},
        ),
        (
            "model=a",
            (equals(Column("model"), "b"),),
            {
                "range": "7d",
                "filter": {
                    "left": {TABLE: {"model": {"in": ["a"]}}},
                    "operator": "and",
                    "right": {TABLE: {"model": {"in": ["b"]}}},
                },
            },
        ),
        (
            "range=30d",
            (between(NOW, NOW + timedelta(hours=1)),),
            {
                "filter": {
                    TABLE: {
                        "request_created_at": {"gte": "2026-03-09T12:00:00Z", "lt": "2026-03-09T13:00:00Z"}
                    }
                }
            },
        ),
    ],
)
def test_link_finds_the_requests_of_range_and_filters(
    query: str, leaves: tuple[Leaf, ...], expected: dict[str, object]
) -> None:
    address = urlsplit(requests_href(read(query), *leaves))
    pairs: dict[str, object] = dict(parse_qsl(address.query, strict_parsing=True))
    if "filter" in pairs:
        pairs["filter"] = msgspec.json.decode(str(pairs["filter"]))
    assert (address.path, pairs) == ("/requests", expected)


def test_link_has_the_sort_and_the_name_as_they_are() -> None:
    sort = worst_first("ö &", {"ö &": ScoreDefinition("ö &", "integer", direction="higher")})
    address = requests_href(read(""), scored("ö &"), sort=sort)
    filter_ = f'{{"{TABLE}":{{"scores":{{"ö &":{{"exists":true}}}}}}}}'
    assert parse_qsl(urlsplit(address).query) == [
        ("range", "7d"),
        ("filter", filter_),
        ("sort", '{"scores":{"ö &":"asc"}}'),
    ]


def test_worst_first_needs_a_direction() -> None:
    definitions = {
        "cost": ScoreDefinition("cost", "integer", direction="lower"),
        "quality": ScoreDefinition("quality", "integer", direction="higher"),
        "tone": ScoreDefinition("tone", "integer"),
    }
    assert [worst_first(name, definitions) for name in (*definitions, "other")] == [
        '{"scores":{"cost":"desc"}}',
        '{"scores":{"quality":"asc"}}',
        "",
        "",
    ]

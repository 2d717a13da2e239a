"""Compile a filter for each statement that takes one.

`name_ids` holds the organization's score names; no request has a score of another name. Parameters are
numbered from `first_parameter`, behind the statement's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    Cases,
    Column,
    Filter,
    Property,
    Score,
    Sort,
)
from heliscore.store.search.conditions import OUTCOME, make_conditions
from heliscore.store.search.leading_conditions import (
    indexed_conditions,
    split_leading,
    value_conditions,
)
from heliscore.store.search.matching_rows import (
    MatchingRows,
    begin_at,
    join_leading,
    named_scores,
    stand_in_scores,
    subject_expression,
    walk_in_time,
)
from heliscore.store.search.page_order import Position, beyond, direction, order_by
from heliscore.store.search.request_groups import compile_group
from heliscore.store.search.score_conditions import SAME_REQUEST
from heliscore.store.search.slots import Compiled, Slots

Bodies = Literal["whole", "preview", "previews", "none"]
"""How much a search reads of bodies; `preview` is the request's, if it is not large, `previews` both."""

_PREVIEW: Final = (
    # By the size on disk, which is known without reading the body.
    "CASE WHEN pg_column_size(r.request_body) <= 32768 THEN r.request_body END AS request_body, "
)

_BODIES: Final[dict[Bodies, str | None]] = {
    "whole": None,
    "preview": f"{_PREVIEW}NULL::jsonb AS response_body",
    "previews": (
        f"{_PREVIEW}"
        "CASE WHEN pg_column_size(r.response_body) <= 32768 THEN r.response_body END AS response_body"
    ),
    "none": "NULL::jsonb AS request_body, NULL::jsonb AS response_body",
}


def compile_search(
    tree: Filter,
    sort: Sort,
    after: Position | None,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    bodies: Bodies = "whole",
    *,
    by_hash: bool = False,
) -> Compiled:
    """Compile a page's filter and order. `start`: leading scores that few rows meet, at which the search
    shall begin, whatever the planner thinks."""
    conditions = make_conditions(name_ids, first_parameter, by_hash=by_hash)
    if start:
        rows = begin_at(conditions, tree, start, sort)
    elif sort.subject == NEWEST_FIRST.subject and not by_hash:
        rows = walk_in_time(conditions, tree)
    else:
        rows = join_leading(conditions, tree)
    where, order, sort_value = rows.where, "random()", "NULL"
    if sort.subject is not None:
        sort_value = subject_expression(conditions, rows, sort.subject)
        order = order_by(sort, sort_value, rows.created_at)
        if after is not None:
            where += f" AND {beyond(after, sort, sort_value, rows.created_at, conditions.arguments)}"
    slots = Slots(
        bodies=_BODIES[bodies],
        outcome=OUTCOME,
        source=rows.source,
        organization=rows.organization,
        joins=rows.joins,
        where=where,
        order=order,
        sort_value=sort_value,
    )
    return Compiled(slots, conditions.arguments.all())


def compile_rows(request_nos: list[int], sort: Sort, first_parameter: int, bodies: Bodies) -> Compiled:
    """Compile a search for rows that are known by their numbers. The order must not be one of a score."""
    conditions = make_conditions({}, first_parameter)
    source = (
        f"unnest({conditions.arguments.add(request_nos, 'bigint[]')}) AS p (request_no)\n"
        "CROSS JOIN LATERAL "
        f"(SELECT r.* FROM request AS r WHERE {SAME_REQUEST.format('r', 'p')} OFFSET 0) AS r"
    )
    order, sort_value = "random()", "NULL"
    if sort.subject is not None:
        sort_value = subject_expression(conditions, MatchingRows(where="true"), sort.subject)
        order = order_by(sort, sort_value, "r.created_at")
    slots = Slots(bodies=_BODIES[bodies], outcome=OUTCOME, source=source, order=order, sort_value=sort_value)
    return Compiled(slots, conditions.arguments.all())


def compile_count(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    *,
    by_hash: bool = False,
) -> Compiled:
    """Compile a filter whose matches are counted."""
    conditions = make_conditions(name_ids, first_parameter, by_hash=by_hash)
    rows = stand_in_scores(conditions, tree, start)
    slots = Slots(source=rows.source, organization=rows.organization, joins=rows.joins, where=rows.where)
    return Compiled(slots, conditions.arguments.all())


def compile_words(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a filter of several scores (`is_of_several_scores`) whose matches are counted in words."""
    conditions = make_conditions(name_ids, first_parameter)
    leading, rest = split_leading(tree)
    scores = [conditions.scores.of_name("s", name, parts) for name, parts in leading.items()]
    in_time = msgspec.structs.replace(conditions, created_at="s.request_created_at").all_of(rest)
    bits = (
        f"bit_or(1::bigint << (s.request_no & 63)::integer) FILTER (WHERE {score}) AS b{number}"
        for number, score in enumerate(scores, 1)
    )
    slots = Slots(
        bits=",\n        ".join(bits),
        words=" & ".join(f"b{number}" for number in range(1, len(scores) + 1)),
        where=f"({' OR '.join(f'({score})' for score in scores)}) AND {in_time}",
    )
    return Compiled(slots, conditions.arguments.all())


def compile_requests(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    *,
    by_hash: bool = False,
    group_by: Column | Property | Cases | None = None,
    scores: Sequence[str] = (),
    value: Score | None = None,
) -> Compiled:
    """Compile a filter for a statement that reads all requests that match. It may ask for their group, for a
    row for each of the named scores that they have, called v, and for the value of a leading score."""
    conditions = make_conditions(name_ids, first_parameter, by_hash=by_hash)
    group = compile_group(conditions, group_by)  # first: its conditions on scores are joined with all
    rows = begin_at(conditions, tree, start, Sort(None)) if start else join_leading(conditions, tree)
    slots = Slots(
        source=rows.source,
        organization=rows.organization,
        joins=rows.joins + (named_scores(conditions, tree, scores, by_hash=by_hash) if scores else ""),
        where=rows.where,
        group=group,
        sort_value=subject_expression(conditions, rows, value) if value else None,
    )
    return Compiled(slots, conditions.arguments.all())


def compile_scores(
    tree: Filter, name_ids: Mapping[str, int], first_parameter: int, names: Sequence[str]
) -> Compiled:
    """Compile a filter that asks for nothing but time for a statement that reads the named scores, called v,
    and of their requests r no more than the time."""
    conditions = make_conditions(name_ids, first_parameter)
    ids = [conditions.scores.name_ids[name] for name in names]
    in_time = msgspec.structs.replace(conditions, created_at="v.request_created_at").condition(tree)
    slots = Slots(
        source="score AS v CROSS JOIN LATERAL (SELECT v.request_created_at AS created_at) AS r",
        organization="v.organization_id = $1",
        joins="",
        where=f"v.name_id = ANY({conditions.arguments.add(ids, 'integer[]')}) AND {in_time}",
    )
    return Compiled(slots, conditions.arguments.all())


def compile_size(tree: Filter, first_parameter: int) -> Compiled:
    """Compile the conditions of a filter that an index of requests answers."""
    conditions = make_conditions({}, first_parameter)
    return Compiled(Slots(where=conditions.all_of(indexed_conditions(tree))), conditions.arguments.all())


def compile_condition(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a filter for a statement that asks about known requests, each looked up by its number."""
    conditions = make_conditions(name_ids, first_parameter)
    return Compiled(Slots(where=conditions.condition(tree)), conditions.arguments.all())


def compile_selectivity(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a count for each leading score: how many rows meet its conditions on the value,
    counted up to the statement's threshold."""
    conditions = make_conditions(name_ids, first_parameter)
    counts = (
        f"(SELECT count(*) FROM (SELECT FROM score AS s WHERE {of_name} LIMIT $2) AS first)"
        for of_name in (
            conditions.scores.of_organization("s", *one) for one in value_conditions(tree).items()
        )
    )
    return Compiled(Slots(counts=", ".join(counts)), conditions.arguments.all())


def compile_probe(
    tree: Filter, score: Score, sort: Sort, name_ids: Mapping[str, int], first_parameter: int
) -> Compiled:
    """Compile the conditions on a leading score's value, to walk its values in order."""
    conditions = make_conditions(name_ids, first_parameter)
    of_name = conditions.scores.of_organization("s", score.name, value_conditions(tree)[score.name])
    slots = Slots(scores=f"score AS s WHERE {of_name}", direction=direction(sort))
    return Compiled(slots, conditions.arguments.all())

"""`heliscore digest`: what changed in the last day or week, from a running service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import click
import msgspec

from heliscore.cli.service_client import call, connected, read_filter, url_option
from heliscore.domain.changes.period_scores import USUAL_GROUPS
from heliscore.domain.digest import Digest, DigestLine, render_markdown, render_text
from heliscore.domain.digest_schedule import BEFORE, LENGTHS, DigestPeriod
from heliscore.domain.times import now

_PERIODS: Final[dict[str, DigestPeriod]] = {"day": "daily", "week": "weekly"}
_GROUP_BYS: Final = tuple(column.name for column in USUAL_GROUPS)
_PROPERTY: Final = "property:"


class _Answer(msgspec.Struct, rename="camel"):
    changes: list[DigestLine]
    more: int
    comparisons: int
    scores: int


@click.command(short_help="Print what changed lately, the worst first.")
@url_option
@click.option("--period", type=click.Choice(tuple(_PERIODS)), default="week", show_default=True)
@click.option(
    "--group-by",
    "group_bys",
    metavar="NAME",
    multiple=True,
    help=f"A column, or {_PROPERTY}KEY; repeatable. Default: {', '.join(_GROUP_BYS)}.",
)
@click.option("--filter", "filter_", metavar="FILTER", default='"all"', help="JSON, or a file with JSON.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
def digest(url: str | None, period: str, group_bys: tuple[str, ...], filter_: str, markdown: bool) -> None:
    """Print what changed in the last day or week, the worst first, and how much was scored.

    The API key is in HELISCORE_API_KEY.
    """
    made = _ask(url, _PERIODS[period], [*map(_read_group_by, group_bys or _GROUP_BYS)], read_filter(filter_))
    click.echo(render_markdown(made) if markdown else render_text(made), nl=False)


def _read_group_by(name: str) -> object:
    is_property = name.startswith(_PROPERTY)
    return {"property": name.removeprefix(_PROPERTY)} if is_property else name


def _ask(url: str | None, period: DigestPeriod, group_bys: list[object], filter_: object) -> Digest:
    end = now()
    start = end - LENGTHS[period]
    times = {"start": start.isoformat(), "end": end.isoformat()}
    body = {"timeFilter": times, "groupBys": group_bys, "filter": filter_}
    with connected(url) as client:
        answer = msgspec.convert(call(client, "POST", "/v1/evals/changes", body), _Answer)

        def count(**more: Any) -> int:
            query = {"filter": _in_time(filter_, start, end), **more}
            return msgspec.convert(call(client, "POST", "/v1/request/count/query", query), int)

        return Digest(
            start=start,
            end=end,
            against=BEFORE[period],
            lines=answer.changes,
            more=answer.more,
            comparisons=answer.comparisons,
            requests=count(),
            unscored=count(isScored=False),
            scores=answer.scores,
        )


def _in_time(filter_: object, start: datetime, end: datetime) -> object:
    times = {"gte": start.isoformat(), "lt": end.isoformat()}
    leaf = {"request_response_rmt": {"request_created_at": times}}
    return {"left": filter_, "operator": "and", "right": leaf}

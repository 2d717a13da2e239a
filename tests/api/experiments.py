"""An organization of random requests, filled once, and what its experiments must find: by scipy and
statsmodels, from the same requests in Python."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import asyncpg
import msgspec
import numpy as np
import scipy.stats
import statsmodels.api
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_effectsize

Json = dict[str, Any]

NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = timedelta(days=7)

JUDGE_1, JUDGE_2, ADA = Author("judge", "j", "1"), Author("judge", "j", "2"), Author("human", "ada")


class Row(msgspec.Struct, frozen=True):
    """A request as far as experiments see it."""

    request_id: str
    at: datetime
    model: str | None
    variant: str | None
    user: str | None
    item: str | None
    latency: int | None
    author: Author
    scores: dict[str, int | bool]


def make_rows(count: int = 160, seed: int = 5) -> list[Row]:
    """Three hours apart; a week before now is an hour or more from all of them."""
    chance = random.Random(seed)
    return [_make_row(chance, number) for number in range(count)]


def _make_row(chance: random.Random, number: int) -> Row:
    variant = chance.choice(["A", "A", "B", "B", "C", None])
    user = chance.randrange(20)
    before = chance.randrange(100)
    better = 12 if variant == "B" else 0
    scores: dict[str, int | bool] = {
        "accuracy": min(100, before // 2 + better + user + chance.randrange(30)),
        "ok": chance.choice([True, False, 1, 0, 1 if variant == "B" else 0]),
        "tone": chance.randrange(-5, 6),
        "before": before,
    }
    for name, share in (("accuracy", 0.05), ("tone", 0.3), ("before", 0.2)):
        if chance.random() < share:
            del scores[name]
    return Row(
        request_id=f"r{number}",
        at=NOW - timedelta(hours=3 * number + 1),
        model=chance.choice(["x", "y", "", None]),
        variant=variant,
        user=None if user == 0 else f"u{user}",
        item=None if chance.random() < 0.1 else f"i{chance.randrange(25)}",
        latency=None if chance.random() < 0.1 else 5 * before + chance.randrange(100),
        author=chance.choice([JUDGE_1, JUDGE_2, ADA]),
        scores=scores,
    )


_INSERT = """
INSERT INTO request (organization_id, request_id, created_at, updated_at, response_model, provider, prompt_id,
    prompt_version, user_id, latency_ms, properties)
VALUES ($1, $2, $3, $3, $4, $4, $4, $4, $5, $6, $7)
"""


async def fill(dsn: str, organization: str, rows: Sequence[Row]) -> None:
    connection = await asyncpg.connect(dsn)
    await put(connection, await organizations.ensure(connection, organization), rows)
    await connection.close()


async def put(connection: Connection, organization_id: int, rows: Sequence[Row]) -> None:
    """Put the requests of an organization into the database, instead of those that it has."""
    for table in ("score", "request"):
        await connection.execute(f"DELETE FROM {table} WHERE organization_id = $1", organization_id)
    requests = [
        (organization_id, row.request_id, row.at, row.model, row.user, row.latency, _properties(row))
        for row in rows
    ]
    await connection.executemany(_INSERT, requests)
    posts = [
        ScoreWrite(
            organization_id,
            row.request_id,
            {name: Score(int(value), isinstance(value, bool)) for name, value in row.scores.items()},
            row.at,
            Origin(row.author, "score"),
        )
        for row in rows
        if row.scores
    ]
    await record(connection, ScoreIds(), posts)


def _properties(row: Row) -> str:
    given = {"variant": row.variant, "item": row.item}
    return json.dumps({key: value for key, value in given.items() if value is not None})


# What must be found

Belongs = Callable[[Row], bool]


def values_of(rows: Sequence[Row], belongs: Belongs, name: str) -> list[int]:
    return [int(row.scores[name]) for row in rows if belongs(row) and name in row.scores]


def summary(values: Sequence[int | Fraction]) -> Json:
    total = sum(values)
    return {
        "n": len(values),
        "sum": float(total),
        "mean": float(np.mean(np.array(values, float))) if values else None,
        "sd": float(np.std(np.array(values, float), ddof=1)) if len(values) > 1 else None,
    }


def unpaired(a: list[int], b: list[int], confidence: float = 0.95, *, share: bool) -> Json:
    """Two samples of scores, b beside the base a."""
    n, m = len(a), len(b)
    if share:
        interval = confint_proportions_2indep(
            sum(b), m, sum(a), n, method="newcomb", compare="diff", alpha=1 - confidence
        )
        effect = {"name": "h", "value": proportion_effectsize(sum(b) / m, sum(a) / n)}
        tested: Json = {"method": "newcombe", "measure": "share"}
    else:
        found = scipy.stats.ttest_ind(b, a, equal_var=False)
        interval = found.confidence_interval(confidence)
        pooled = math.sqrt(((n - 1) * np.var(a, ddof=1) + (m - 1) * np.var(b, ddof=1)) / (n + m - 2))
        g = (np.mean(b) - np.mean(a)) / pooled * (1 - 3 / (4 * (n + m) - 9))
        effect = {"name": "g", "value": g}
        tested = {"method": "welch", "measure": "mean", "p": found.pvalue}
    ranks = scipy.stats.mannwhitneyu(b, a, method="asymptotic", use_continuity=False)
    return tested | {
        "base": summary(a),
        "other": summary(b),
        "difference": np.mean(b) - np.mean(a),
        "interval": list(interval),
        "effect": effect,
        "superiority": ranks.statistic / (n * m),
        "superiorityP": ranks.pvalue,
    }


def _means_by_item(rows: Sequence[Row], belongs: Belongs, name: str) -> dict[str, Fraction]:
    given: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if belongs(row) and name in row.scores and row.item is not None:
            given[row.item].append(int(row.scores[name]))
    return {item: Fraction(sum(values), len(values)) for item, values in given.items()}


def paired(rows: Sequence[Row], base: Belongs, other: Belongs, name: str, confidence: float = 0.95) -> Json:
    """The items of both arms, each with its mean."""
    x, y = (_means_by_item(rows, belongs, name) for belongs in (base, other))
    items = sorted(x.keys() & y.keys())
    a, b = ([float(means[item]) for item in items] for means in (x, y))
    found = scipy.stats.ttest_rel(b, a)
    ups = sum(y[item] > x[item] for item in items)
    downs = sum(y[item] < x[item] for item in items)
    return {
        "method": "paired",
        "base": summary([x[item] for item in items]),
        "other": summary([y[item] for item in items]),
        "difference": np.mean(b) - np.mean(a),
        "interval": list(found.confidence_interval(confidence)),
        "p": found.pvalue,
        "superiority": (ups + (len(items) - ups - downs) / 2) / len(items),
        "superiorityP": scipy.stats.binomtest(ups, ups + downs).pvalue,
        "pairs": len(items),
        "onlyBase": len(x.keys() - y.keys()),
        "onlyOther": len(y.keys() - x.keys()),
        "leftOut": sum(row.item is None and name in row.scores for row in rows if base(row) or other(row)),
    }


def clustered(
    rows: Sequence[Row],
    base: Belongs,
    other: Belongs,
    name: str,
    unit: Callable[[Row], str | None],
    confidence: float = 0.95,
) -> Json:
    """Requests of one unit depend on each other: by statsmodels' clusters, with their small-sample factor."""
    parts = []
    for belongs in (base, other):
        chosen = [row for row in rows if belongs(row) and name in row.scores and unit(row) is not None]
        values = np.array([int(row.scores[name]) for row in chosen], float)
        groups = np.unique([str(unit(row)) for row in chosen], return_inverse=True)[1]
        fit = statsmodels.api.OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
        )
        units = max(groups) + 1
        parts.append((values, float(fit.params[0]), fit.cov_params()[0, 0] * units / (units - 1), units))
    (a, mean_a, v_a, k_a), (b, mean_b, v_b, k_b) = parts
    degrees = (v_a + v_b) ** 2 / (v_a**2 / (k_a - 1) + v_b**2 / (k_b - 1))
    error = math.sqrt(v_a + v_b)
    margin = scipy.stats.t.ppf((1 + confidence) / 2, degrees) * error
    difference = mean_b - mean_a
    return {
        "method": "clustered",
        "base": summary([int(value) for value in a]),
        "other": summary([int(value) for value in b]),
        "difference": difference,
        "interval": [difference - margin, difference + margin],
        "p": 2 * scipy.stats.t.sf(abs(difference) / error, degrees),
        "superiorityP": None,
        "leftOut": sum(unit(row) is None and name in row.scores for row in rows if base(row) or other(row)),
    }


def adjusted(
    rows: Sequence[Row],
    base: Belongs,
    other: Belongs,
    name: str,
    covariate: Callable[[Row], int | bool | None],
    confidence: float = 0.95,
) -> Json:
    """The difference at the same covariate: that of a regression, with Welch's test of what it leaves."""
    chosen = [
        (belongs is other, covariate(row), int(row.scores[name]))
        for belongs in (base, other)
        for row in rows
        if belongs(row) and name in row.scores and covariate(row) is not None
    ]
    arm, x, y = (np.array(column, float) for column in zip(*chosen, strict=True))
    fit = statsmodels.api.OLS(y, np.column_stack([np.ones(len(y)), arm, x])).fit()
    rest = y - fit.params[2] * x
    found = scipy.stats.ttest_ind(rest[arm == 1], rest[arm == 0], equal_var=False)
    scored = sum(name in row.scores for row in rows if base(row) or other(row))
    return {
        "method": "cuped",
        "difference": fit.params[1],
        "interval": list(found.confidence_interval(confidence)),
        "p": found.pvalue,
        "leftOut": scored - len(chosen),
    }


def always_valid(a: list[int], b: list[int], tuning: int, alpha: float = 0.05) -> Json:
    """The asymptotic confidence sequence of Waudby-Smith et al."""
    n, variance = len(a) + len(b), np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b)
    difference = np.mean(b) - np.mean(a)
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning
    t = n * rho2
    margin = math.sqrt(n * variance) * math.sqrt(2 * (t + 1) * math.log(math.sqrt(t + 1) / alpha)) / n
    margin /= math.sqrt(rho2)
    p = min(1.0, math.sqrt(t + 1) * math.exp(-(difference**2) * t / (2 * (t + 1) * variance)))
    return {
        "method": "sequential",
        "difference": difference,
        "interval": [difference - margin, difference + margin],
        "p": p,
        "superiorityP": None,
    }

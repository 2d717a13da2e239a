"""The comparison of the same items in two groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from msgspec.structs import replace

from heliscore.domain.statistics.compared import (
    Basis,
    Comparison,
    Method,
    Pair,
    Pairs,
    PairSums,
    Plan,
    Question,
)
from heliscore.domain.statistics.conclusions import conclude, explain, nothing_to_compare, with_lift
from heliscore.domain.statistics.effects import effect_of_pairs
from heliscore.domain.statistics.estimates import Bare, Estimate, McNemar, sign_test
from heliscore.domain.statistics.means import Means, estimate_difference, means_of_pairs
from heliscore.domain.statistics.samples import Sample

Items = Mapping[Pair, int]


def compare_pairs(pairs: Pairs, question: Question) -> Comparison:
    """Compare one score of the items that both groups answered, each item with its mean in each group.

    Where all are one 0 or 1 in each group, by McNemar's test; else by the differences within the items.
    """
    counts = {"pairs": 0, "only_base": pairs.only_base, "only_other": pairs.only_other}
    sums = sum_pairs(pairs.items) if pairs.items is not None else pairs.sums
    if sums is None or not sums.count:
        return replace(nothing_to_compare(None, None), **counts)
    counts["pairs"] = sums.count
    means, single = means_of_pairs(sums), _single_answers(pairs.items, question)
    method, estimate = _estimate(means, single, question)
    spread = means.variance * sums.count
    plan = Plan(spread, 0, sums.count, (pairs.last_week,)) if sums.count > 1 else None
    base, other = Sample(sums.count, sums.x, sums.xx), Sample(sums.count, sums.y, sums.yy)
    comparison = conclude(method, base, other, Basis(question, estimate, plan))
    comparison = with_lift(comparison, means, question)
    comparison = _with_effect(comparison, sums, single is not None, question)
    comparison = _with_superiority(comparison, pairs.items, question)
    warnings = ("arrivalOrder",) if question.tuning else ()
    return replace(comparison, warnings=warnings, **counts)


def sum_pairs(items: Items) -> PairSums:
    """Sum the items' means. Items of the same number of scores are summed as integers first."""
    totals: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 6)
    for (x, x_count, y, y_count), items_count in items.items():
        total = totals[x_count, y_count]
        difference = y * x_count - x * y_count
        total[0] += items_count
        total[1] += items_count * x
        total[2] += items_count * y
        total[3] += items_count * x * x
        total[4] += items_count * y * y
        total[5] += items_count * difference * difference
    count, sums = 0, [Fraction(0)] * 5
    for (n, m), total in totals.items():
        count += total[0]
        divisors = (n, m, n * n, m * m, n * n * m * m)
        sums = [
            one + Fraction(part, divisor)
            for one, part, divisor in zip(sums, total[1:], divisors, strict=True)
        ]
    return PairSums(count, *sums)


def _single_answers(items: Items | None, question: Question) -> McNemar | None:
    """Count the items that are 1 in one group only; None where it is no share, or an item has many scores."""
    if items is None or question.measure != "share":
        return None
    if any(x_count != 1 or y_count != 1 for _, x_count, _, y_count in items):
        return None
    return McNemar(
        losses=items.get((1, 1, 0, 1), 0), gains=items.get((0, 1, 1, 1), 0), pairs=sum(items.values())
    )


def _estimate(means: Means, single: McNemar | None, question: Question) -> tuple[Method, Estimate]:
    if question.tuning:
        return "sequential", estimate_difference(means, question)
    if single is None:
        return "paired", estimate_difference(means, question)
    if means.least < 2:
        return "mcnemar", Bare(float(means.difference), None, "tooFew")
    return "mcnemar", single


def _with_effect(comparison: Comparison, sums: PairSums, is_single: bool, question: Question) -> Comparison:
    if sums.count < 2:
        return explain(comparison, {"effect": "tooFew"})
    effect = effect_of_pairs(sums, is_single, None if question.tuning else question.confidence)
    if effect is None:
        return explain(comparison, {"effect": "noVariance"})
    comparison = replace(comparison, effect=effect)
    if effect.interval is not None:
        return comparison
    return explain(comparison, {"effect_interval": "sequential" if question.tuning else "noVariance"})


def _with_superiority(comparison: Comparison, items: Items | None, question: Question) -> Comparison:
    """Add the share of items that are higher in the other group, with equal ones as half, and a sign test."""
    if items is None:
        return explain(comparison, {"superiority": "tooManyValues", "superiority_p": "tooManyValues"})
    ups = downs = total = 0
    for (x, x_count, y, y_count), count in items.items():
        difference = y * x_count - x * y_count
        ups += count if difference > 0 else 0
        downs += count if difference < 0 else 0
        total += count
    value = (ups + total) / (2 * total) - downs / (2 * total)
    if question.tuning:
        return explain(replace(comparison, superiority=value), {"superiority_p": "sequential"})
    return replace(comparison, superiority=value, superiority_p=sign_test(downs, ups))

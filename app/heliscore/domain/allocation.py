"""Divides a sample among strata: groups of which each gives some of its members."""

from __future__ import annotations

from collections.abc import Sequence


def allocate_equally(sizes: Sequence[int], total: int) -> list[int]:
    """As many of each stratum, or all that it has, together `total` or all that there are. What cannot be
    divided goes to the first ones."""
    shares = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        open_ = [number for number, size in enumerate(sizes) if shares[number] < size]
        each = left // len(open_)
        for number in open_ if each else open_[:left]:
            more = min(max(each, 1), sizes[number] - shares[number])
            shares[number] += more
            left -= more
    return shares


def allocate_in_proportion(sizes: Sequence[int], total: int, population: int | None = None) -> list[int]:
    """In proportion to the strata's sizes by largest remainder, the first one among equals, together `total`
    or all that there are. Each gets at least one where `total` is enough for that.

    `population`: the size of all strata, where only the largest ones are given: as many as `total`, of which
    no other one would get anything.
    """
    left, of = min(total, sum(sizes)), sum(sizes) if population is None else population
    shares = [0] * len(sizes)
    shared = list(range(len(sizes)))
    while left >= len(shared) and (small := [n for n in shared if left * sizes[n] < of]):
        for number in small:
            shares[number] = 1
        shared = [n for n in shared if not shares[n]]
        left -= len(small)
        of -= sum(sizes[n] for n in small)
    for number in shared:
        shares[number] = left * sizes[number] // of
    rest = left - sum(shares[number] for number in shared)
    for number in sorted(shared, key=lambda n: -(left * sizes[n] % of))[:rest]:
        shares[number] += 1
    return shares

"""Ranks of values that occur often, and whether two orders go together, in whole numbers.

Twice the mid-rank less one half is whole: twice the count of lower values and once that of equal ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate


def doubled_ranks(margin: Sequence[int]) -> list[int]:
    """Of each place: 2 (mid-rank - 1/2), from how often each place occurs."""
    return [2 * total - count for total, count in zip(accumulate(margin), margin, strict=True)]


def signs_before(places: Iterable[tuple[int, int]], counts: Iterable[int], size: int) -> list[int]:
    """For each pair (i, j), the sum of sign(j - j') over all pairs (i', j') of rows that came before.

    Pairs of one row stand together. By a Fenwick tree over the places j, of which there are `size`.
    """
    tree, cells = [0] * (size + 1), [0] * size
    result: list[int] = []
    row: list[tuple[int, int]] = []
    current, total = -1, 0
    for (i, j), count in zip(places, counts, strict=True):
        if i != current:
            total += _add(tree, cells, row)
            current, row = i, []
        row.append((j, count))
        below, node = 0, j
        while node:
            below += tree[node]
            node &= node - 1
        result.append(2 * below + cells[j] - total)
    return result


def _add(tree: list[int], cells: list[int], row: list[tuple[int, int]]) -> int:
    added, size = 0, len(tree)
    for j, count in row:
        added += count
        cells[j] += count
        node = j + 1
        while node < size:
            tree[node] += count
            node += node & -node
    return added


def sign_sums(places: Sequence[tuple[int, int]], counts: Sequence[int], size: int) -> list[int]:
    """For each pair (i, j), the sum of sign(i - i') sign(j - j') over all pairs (i', j'), in order of i."""
    before = signs_before(places, counts, size)
    after = signs_before(reversed(places), reversed(counts), size)
    return [low - high for low, high in zip(before, reversed(after), strict=True)]

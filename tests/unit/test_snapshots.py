from __future__ import annotations

import pytest
from heliscore.domain.snapshots import before, behind, node_of, spans

NODE = 2**48


@pytest.mark.parametrize("node", [0, 1, 2, 1000])
def test_snapshots_of_a_node_lie_between_its_ends(node: int) -> None:
    first = node * NODE
    assert before(node) == f"{first + 1}:{first + 1}:"
    assert behind(node) == before(node + 1)
    assert node_of(before(node)) == node
    assert node_of(f"{first + 700}:{first + 705}:{first + 700},{first + 703}") == node


def test_what_lies_between_snapshots_of_one_node_is_read_at_once() -> None:
    assert spans("700:705:700", "710:710:") == [("700:705:700", "710:710:")]


@pytest.mark.parametrize("now", [1, 3])
def test_after_a_move_all_that_others_have_written_is_read(now: int) -> None:
    seen, until = f"{2 * NODE + 700}:{2 * NODE + 700}:", f"{now * NODE + 9}:{now * NODE + 9}:"
    end = f"{2**63 - 1}:{2**63 - 1}:"
    assert spans(seen, until) == [(seen, behind(2)), (before(0), before(2)), (behind(2), end)]


def test_a_single_server_has_nothing_below_it() -> None:
    until = f"{NODE + 9}:{NODE + 9}:"
    assert spans("700:700:", until) == [("700:700:", behind(0)), (behind(0), f"{2**63 - 1}:{2**63 - 1}:")]

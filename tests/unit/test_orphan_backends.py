"""Which statements wait until a backend that lost its client has ended."""

from __future__ import annotations

from heliscore.store.connections.orphan_backends import OrphanBackends


def test_statements_for_one_node_do_not_wait_for_the_backends_of_another() -> None:
    orphans = OrphanBackends()
    orphans.add(11, 1)
    orphans.add(22, 2)
    assert {node: orphans.concern(node) for node in (1, 2, 3, None)} == {
        1: [11],
        2: [22],
        3: [],
        None: [11, 22],
    }


def test_a_backend_that_may_write_anywhere_concerns_all() -> None:
    orphans = OrphanBackends()
    orphans.add(33)
    assert [orphans.concern(node) for node in (1, None)] == [[33], [33]]

from __future__ import annotations

from heliscore.store.search.search_statements import plan_of_node

PLAN = [
    "Limit  (cost=0.15..3.50 rows=3 width=45)",
    "  ->  Index Scan using score_value_idx on score  (cost=0.15..6.86 rows=6 width=45)",
    "        Index Cond: (organization_id = 1)",
]


def test_plan_of_a_single_server_stays() -> None:
    assert plan_of_node(PLAN) == PLAN


def test_plan_of_a_cluster_is_the_nodes_without_its_address() -> None:
    wrapped = [
        "Custom Scan (Citus Adaptive)  (cost=0.00..0.00 rows=0 width=0)",
        "  Task Count: 1",
        "  Tasks Shown: All",
        "  ->  Task",
        "        Node: host=10.0.0.7 port=5432 dbname=heliscore",
        "        ->  Limit  (cost=0.15..3.50 rows=3 width=45)",
        "              ->  Index Scan using score_value_idx on score  (cost=0.15..6.86 rows=6 width=45)",
        "                    Index Cond: (organization_id = 1)",
    ]
    assert plan_of_node(wrapped) == PLAN

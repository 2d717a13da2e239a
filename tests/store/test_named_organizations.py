from __future__ import annotations

import pytest
from heliscore.store.statements import SQL_FOLDER, load

from tests.store.named_organizations import violations

ABOUT_ALL = {
    ("backup", "has_rows"): "asked before a restore, of whatever organization",
    ("event", "find_end"): "behind the events of a group",
    ("event", "find_new"): "whether there are events of any of a group",
    ("event", "read_between"): "the service that makes deliveries reads the events of all of a group",
    ("event", "prune"): "by age, of all of a group",
    ("event", "prune_interest"): "by age, of all of a group",
    ("event", "remove_foreign"): "after a restore, of all of a group",
    ("request_step", "step"): "a step is as long for one that has few requests",
    ("request_step", "last"): "where steps end",
    ("retention", "remove_history"): "of all of a group in one walk",
}
"""The statements about all organizations, and why they are."""

ON_ITS_NODE = "-- runs on the node of $1\n"

GOOD = [
    "SELECT count(*) FROM score WHERE organization_id = $1",
    "SELECT count(*) FROM score AS s WHERE s.organization_id = $1::integer::oid AND s.value > 3",
    f"{ON_ITS_NODE}DELETE FROM score AS s WHERE s.organization_id + 0 = $1",
    "SELECT o.name FROM organization AS o WHERE o.id = $1",
    "SELECT 1 FROM score AS s JOIN score_name AS n ON n.organization_id = $1 AND n.id = s.name_id "
    "LEFT JOIN score_origin AS o ON o.organization_id = $1 WHERE s.organization_id = $1",
    "WITH s AS (SELECT value FROM score WHERE organization_id = $1) SELECT value FROM s",
    "SELECT r.request_id FROM request AS r WHERE r.organization_id = $1 AND EXISTS ("
    "SELECT FROM score AS s WHERE s.organization_id = $1 AND s.request_no = r.request_no)",
    "INSERT INTO event_interest (type, organization_id, source) VALUES ('a', $1, 'b'), ('c', $1, 'd')",
    "INSERT INTO score_name (organization_id, name) SELECT $1, n.name FROM unnest($2::text[]) AS n (name)",
    "DELETE FROM score AS s USING request AS r WHERE s.organization_id = $1 AND r.organization_id = $1",
    "UPDATE api_key SET revoked_at = now() WHERE organization_id = (SELECT id FROM organization)",
    f"{ON_ITS_NODE}WITH gone AS (DELETE FROM score WHERE organization_id = $1 RETURNING organization_id) "
    "INSERT INTO score_history (organization_id) SELECT g.organization_id FROM gone AS g",
    f"{ON_ITS_NODE}WITH known AS (SELECT g.organization_id AS owner FROM unnest($1::integer[], $2::bigint[]) "
    "AS g (organization_id, request_no) JOIN request AS r ON r.organization_id = g.organization_id) "
    "INSERT INTO event (id, organization_id, type) SELECT 1, k.owner, 'a' FROM known AS k",
    f"{ON_ITS_NODE}SELECT pg_advisory_xact_lock($1), count(*) FROM score WHERE organization_id = $1",
]

BAD = {
    "SELECT count(*) FROM score AS s WHERE s.organization_id + 0 = $1": ["s names no organization"],
    "SELECT count(*) FROM score AS s": ["s names no organization"],
    "SELECT count(*) FROM score AS s WHERE s.organization_id = 1": ["s names no organization"],
    "SELECT count(*) FROM score AS s WHERE s.organization_id = $1 OR s.value = 1": [
        "s names no organization"
    ],
    "SELECT count(*) FROM score WHERE organization_id > $1": ["score names no organization"],
    "SELECT 1 FROM score AS s JOIN score_name AS n ON n.id = s.name_id WHERE s.organization_id = $1": [
        "n names no organization"
    ],
    "SELECT 1 FROM score AS s JOIN score_name AS n ON n.organization_id = s.organization_id "
    "WHERE s.organization_id = $1": ["n names no organization"],
    "SELECT 1 FROM score AS s LEFT JOIN event AS e ON s.organization_id = $1 AND e.organization_id = $1": [
        "s names no organization"
    ],
    "SELECT 1 FROM request AS r WHERE r.organization_id = $1 AND EXISTS (SELECT FROM score AS s "
    "WHERE s.organization_id = r.organization_id)": ["s names no organization"],
    "SELECT ARRAY(SELECT value FROM score) FROM request WHERE organization_id = $1": [
        "score names no organization"
    ],
    "SELECT 1 FROM (SELECT value FROM score) AS s, request AS r WHERE r.organization_id = $1": [
        "score names no organization"
    ],
    "SELECT 1 FROM score WHERE organization_id = $1 UNION SELECT 2 FROM request": [
        "request names no organization"
    ],
    "WITH s AS (SELECT value FROM score) SELECT value FROM s": ["score names no organization"],
    "SELECT 1 FROM score AS s, request AS r WHERE s.organization_id = $1 AND r.organization_id = $2": [
        "names several organizations: $1, $2"
    ],
    "SELECT 1 FROM score AS s JOIN organization AS o ON o.id = $1 WHERE s.organization_id = $1": [
        "uses organization together with tables of organizations"
    ],
    "SELECT row(value, name_id) FROM score WHERE organization_id = $1": ["returns an anonymous row"],
    "SELECT set_config('a', 'b', true) FROM score WHERE organization_id = $1": [
        "calls set_config, but does not say on whose node"
    ],
    "DELETE FROM score AS s USING request AS r WHERE r.organization_id = $1": [
        "s names no organization, and is written"
    ],
    "UPDATE score AS s SET value = 1": ["s names no organization, and is written"],
    "UPDATE promptlayer_log SET request_id = nextval('a') WHERE organization_id = $1": [
        "calls nextval in UPDATE"
    ],
    "INSERT INTO score_name (name) VALUES ($1)": ["score_name gets no organization"],
    "INSERT INTO score_name (organization_id, name) VALUES ($1, 'a'), ($2, 'b')": [
        "score_name gets an organization that is no parameter"
    ],
    "INSERT INTO score_name (organization_id, name) SELECT n.id, 'a' FROM unnest($1::integer[]) AS n (id)": [
        "score_name gets an organization that is no parameter"
    ],
    "INSERT INTO event_interest AS i (organization_id) VALUES ($1) ON CONFLICT (organization_id) "
    "DO UPDATE SET until = now(), source = (SELECT 'a')": [
        "calls now in DO UPDATE",
        "has a subquery in DO UPDATE",
    ],
    "WITH RECURSIVE a AS (SELECT 1 UNION SELECT 2 FROM a) SELECT 1 FROM score WHERE organization_id = $1": [
        "is recursive, but does not say on whose node"
    ],
    "WITH a AS (DELETE FROM score WHERE organization_id = $1) SELECT 1": [
        "a writes, but the statement does not say on whose node"
    ],
    f"{ON_ITS_NODE}WITH a AS (DELETE FROM score WHERE organization_id = $2) SELECT 1": [
        "says that it runs on the node of $1, but the organization is $2"
    ],
    f"{ON_ITS_NODE}SELECT 1 FROM score_count": [
        "uses score_count together with tables of organizations",
        "says that it runs on the node of $1, but the organization is no parameter",
    ],
    f"{ON_ITS_NODE}INSERT INTO event (organization_id, type) VALUES ($1, 'a')": ["event gets no id"],
    f"{ON_ITS_NODE}WITH a AS (SELECT max(organization_id) AS o FROM score WHERE organization_id = $1) "
    "DELETE FROM score_name AS n USING a WHERE n.organization_id = a.o": [
        "n names no organization, and is written"
    ],
}


@pytest.mark.parametrize("noun", sorted(path.stem for path in (SQL_FOLDER / "queries").glob("*.sql")))
def test_every_statement_names_the_organization_or_is_about_all(noun: str) -> None:
    wrong = {name: found for name, statement in load(noun).items() if (found := violations(statement))}
    about_all = {name for of, name in ABOUT_ALL if of == noun}
    assert {name: found for name, found in wrong.items() if name not in about_all} == {}
    assert about_all <= wrong.keys(), "these are about one organization"


@pytest.mark.parametrize("statement", GOOD)
def test_a_statement_that_names_the_organization_everywhere_is_right(statement: str) -> None:
    assert violations(statement) == []


@pytest.mark.parametrize("statement", BAD)
def test_what_a_statement_lacks_is_told(statement: str) -> None:
    assert violations(statement) == BAD[statement]

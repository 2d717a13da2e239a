from __future__ import annotations

import re

import asyncpg
import msgspec
from heliscore.domain.audit import AuditEntry
from heliscore.domain.destination import Destination
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.domain.statistics.compared import CovariateSums, UnitSums
from heliscore.store.connections.pool import Connection
from heliscore.store.connections.server_checks import Server
from heliscore.store.deliveries import Claim, ReadDelivery, ShownDelivery
from heliscore.store.evaluations import Bucket, Spread, TimeBucket
from heliscore.store.keys import ApiKey, MadeKey, UsableKey
from heliscore.store.monitors import StoredChange, StoredMonitor
from heliscore.store.releases import FirstUse
from heliscore.store.request_log import LoggedRequest
from heliscore.store.score_definitions import Version
from heliscore.store.search.found_requests import Request
from heliscore.store.sessions import SignedInKey
from heliscore.store.statements import SQL_FOLDER, load
from heliscore.store.usage import DatabaseSize, RowSizes

NOUNS = sorted(path.stem for path in (SQL_FOLDER / "queries").glob("*.sql"))


def fields(struct: type[msgspec.Struct]) -> list[str]:
    return list(struct.__struct_fields__)


RECEIVED = {
    ("request", "search"): [*fields(Request)[:-1], "name_ids", "values", "feedback_at", "sort_value"],
    ("key", "list"): fields(ApiKey),
    ("audit", "list"): fields(AuditEntry),
    ("key", "find"): fields(UsableKey),
    ("key", "list_with_makers"): fields(MadeKey),
    ("session", "find"): fields(SignedInKey),
    ("server", "find"): fields(Server),
    ("score_definition", "list"): [*fields(ScoreDefinition), "version"],
    ("score_definition", "find"): fields(ScoreDefinition),
    ("score_definition", "find_version"): fields(Version),
    ("monitor", "list"): fields(StoredMonitor),
    ("monitor", "find"): fields(StoredMonitor),
    ("monitor", "find_for_change"): fields(StoredMonitor),
    ("monitor", "claim"): fields(StoredMonitor),
    ("monitor", "list_changes"): fields(StoredChange),
    ("destination", "list"): fields(Destination),
    ("destination", "find"): fields(Destination),
    ("destination", "list_enabled"): fields(Destination),
    ("delivery", "renew"): [*fields(Destination), "claimed_until"],
    ("delivery", "claim"): fields(Claim),
    ("delivery", "list"): fields(ShownDelivery),
    ("delivery", "find_one"): fields(ReadDelivery),
    ("usage", "measure_rows"): fields(RowSizes),
    ("usage", "measure_database"): fields(DatabaseSize),
    ("event_cursor", "look"): ["groups", "nodes", "seen", "is_begun", "organizations", "is_due", "waited_s"],
    ("evaluation", "over_time"): fields(Bucket),
    ("evaluation", "trends"): fields(TimeBucket),
    ("evaluation", "spread"): fields(Spread),
    ("evaluation", "compare_units"): ["group_value", "name", "left_out", *fields(UnitSums)],
    ("evaluation", "compare_covariates"): ["group_value", "name", *fields(CovariateSums)],
    ("release", "find"): fields(FirstUse),
    ("evaluation", "rating_sums"): ["fold", "total", "only_first", "only_second", *fields(AgreementSums)],
}


async def test_every_statement_fits_the_schema(connection: Connection) -> None:
    failures = {}
    for noun in NOUNS:
        for name, statement in load(noun).items():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                failures[noun, name] = str(error)
    assert failures == {}


async def test_statements_return_the_fields_of_their_structs(connection: Connection) -> None:
    returned = {}
    for noun, name in RECEIVED:
        statement = await connection.prepare(load(noun)[name])
        returned[noun, name] = [attribute.name for attribute in statement.get_attributes()]
    assert returned == RECEIVED


def test_log_takes_the_fields_of_its_struct() -> None:
    inserted = re.search(
        r"INSERT INTO request AS r \(\s*request_no,(.*?)\)\s*VALUES \(\s*nextval\('\w+'\),(.*?)\)",
        load("log")["log"],
        re.DOTALL,
    )
    assert inserted
    columns, parameters = (re.split(r",\s*", part.strip()) for part in inserted.groups())
    assert (columns, parameters) == (
        fields(LoggedRequest),
        [f"${n + 1}" for n in range(len(fields(LoggedRequest)))],
    )

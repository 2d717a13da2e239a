"""Evaluation events as scores: values, authors, and whose they are, whichever comes first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore.domain.times import now
from heliscore.store import request_log, waiting_scores
from heliscore.store.connections.pool import Connection
from heliscore.store.request_log import LoggedRequest

from tests.api.envelope import ids, read
from tests.api.otlp import (
    EVALUATION,
    OWN_ID,
    SPAN,
    TRACE,
    Json,
    attributes,
    evaluation,
    logs,
    record,
    send,
    send_protobuf,
    span,
    traces,
)
from tests.conftest import Service, StartService

RESPONSE = "chatcmpl-1"
LOGGED = traces(span({"gen_ai.response.id": RESPONSE}))
BY_SPAN = {"traceId": TRACE, "spanId": SPAN}
PATIENCE_S = 20


async def give(client: httpx.AsyncClient, *evaluations: Json, **more: Any) -> str:
    """Send evaluations of the request `r`; returns why the answer says that some were refused, or warns."""
    given = ({"helicone.request.id": "r"} | each for each in evaluations)
    answer = await send(client, logs(*(record(each) for each in given), **more))
    return str(answer.get("partialSuccess", {}).get("errorMessage", ""))


async def scores(client: httpx.AsyncClient, request_id: str = "r") -> Json:
    row = await read(client, request_id)
    return {} if row is None else dict(row["scores"])


async def define(client: httpx.AsyncClient, name: str, **definition: object) -> None:
    response = await client.put(f"/v1/score-definitions/{name}", json={"type": "integer", **definition})
    assert response.status_code == 200, response.text


# Values


@pytest.mark.parametrize(
    ("value", "stored"),
    [(4, 4), (-3, -3), (0, 0), (1, 1), (True, True), (False, False), (0.85, 85), (1.0, 100), (0.285, 28)],
)
async def test_value_becomes_a_score(client: httpx.AsyncClient, value: object, stored: object) -> None:
    assert await give(client, evaluation("quality", value)) == ""
    assert await scores(client) == {"quality": int(stored) if isinstance(stored, bool) else stored}


@pytest.mark.parametrize("value", [4.0, 1.5, -0.1])
async def test_double_beyond_one_is_refused_without_a_scale(client: httpx.AsyncClient, value: float) -> None:
    answer = await send(client, logs(record(evaluation("quality", value), **BY_SPAN)))
    message = (
        f"quality: expected a number from 0 to 1, got {value}: send an integer, or define the score's scale, "
        "by which doubles are multiplied"
    )
    assert answer == {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": message}}
    assert await ids(client) == []


@pytest.mark.parametrize(
    ("definition", "value", "stored"),
    [
        ({"scale": 1}, 4.0, 4),
        ({"scale": 10}, 4.25, 42),
        ({"scale": 1000}, 0.5, 500),
        ({"type": "boolean"}, 1.0, 1),
        ({"type": "boolean"}, 0, 0),
        ({"type": "category", "labels": {"1": "bad", "5": "good"}}, 5.0, 5),
        ({"scale": 10}, 7, 7),
    ],
)
async def test_definition_says_what_a_double_means(
    client: httpx.AsyncClient, definition: Json, value: float, stored: int
) -> None:
    await define(client, "quality", **definition)
    assert await give(client, evaluation("quality", value)) == ""
    assert await scores(client) == {"quality": stored}


async def test_numbers_of_javascript_are_doubles(client: httpx.AsyncClient) -> None:
    """Its SDK sends 1.0 as the integer 1."""
    resource = {"telemetry.sdk.language": "nodejs"}
    assert await give(client, evaluation("quality", 1), evaluation("none", 0), resource=resource) == ""
    refused = await give(client, evaluation("quality", 4), resource=resource)
    assert refused.startswith("quality: expected a number from 0 to 1, got 4")
    await define(client, "points", scale=1)
    assert await give(client, evaluation("points", 4), resource=resource) == ""
    assert await scores(client) == {"quality": 100, "none": 0, "points": 4}


async def test_label_alone_is_looked_up(client: httpx.AsyncClient) -> None:
    await define(client, "grade", type="category", labels={"0": "Wrong", "2": "right"})
    await define(client, "passed", type="boolean", labels={"0": "fail", "1": "pass"})
    labelled = [
        evaluation("grade", evaluation_score_label="wrong"),
        evaluation("passed", evaluation_score_label="pass"),
    ]
    assert await give(client, *labelled) == ""
    assert await scores(client) == {"grade": 0, "passed": 1}
    refused = await give(client, evaluation("grade", evaluation_score_label="great"))
    assert refused == 'grade: has no value, and its label "great" is none of the definition\'s'


async def test_definitions_refuse_and_warn(client: httpx.AsyncClient) -> None:
    await define(client, "strict", max=10, enforce="on")
    await define(client, "lenient", max=10, enforce="warn")
    given = record(evaluation("strict", 11), **BY_SPAN), record(evaluation("lenient", 11), **BY_SPAN)
    answer = await send(client, logs(*given))
    message = "strict: must be at most 10, got 11; scores.lenient: must be at most 10, got 11"
    assert answer == {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": message}}
    assert await scores(client, OWN_ID) == {"lenient": 11}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "gen_ai.evaluation.name: missing"),
        (evaluation("quality"), "quality: has neither a value nor a label"),
        (evaluation("quality", "high"), 'quality: expected an integer or a boolean, got "high"'),
        (evaluation("a\nb", 1), "a\\u000ab: must not contain control characters"),
    ],
)
async def test_what_is_no_score_is_refused(client: httpx.AsyncClient, given: Json, message: str) -> None:
    assert await give(client, given) == message


async def test_evaluation_of_nothing_is_refused(client: httpx.AsyncClient) -> None:
    answer = await send(client, logs(record(evaluation("quality", 1)), record({}, eventName="other")))
    message = "quality: names no request: neither helicone.request.id nor gen_ai.response.id nor a span"
    assert answer == {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": message}}


# Comment and author


async def test_explanation_and_evaluator_are_kept(client: httpx.AsyncClient) -> None:
    await give(
        client,
        evaluation("a", 1, evaluation_explanation="Why."),
        evaluation("b", 1, evaluation_evaluator="code:rules@3"),
        evaluation("c", 1, evaluation_evaluator_name="Ann", evaluation_evaluator_type="human"),
        evaluation("d", 1, evaluation_evaluator="gpt", evaluation_evaluator_version=7),
    )
    found = {name: changes[0] for name, changes in (await scores_with_authors(client)).items()}
    assert found == {
        "a": ("judge:evals@1.2", "Why."),
        "b": ("code:rules@3", None),
        "c": ("human:Ann", None),
        "d": ("judge:gpt@7", None),
    }


async def scores_with_authors(client: httpx.AsyncClient) -> dict[str, list[tuple[str, str | None]]]:
    body = {"filter": "all", "include": ["scoreDetails"]}
    [row] = (await client.post("/v1/request/query", json=body)).json()["data"]
    return {name: [(said["author"], said["comment"])] for name, said in row["score_details"].items()}


async def test_header_names_the_author_before_the_scope(client: httpx.AsyncClient) -> None:
    partial = await send_protobuf(
        client, logs(record(evaluation("quality", 0.5), **BY_SPAN)), **{"Heliscore-Author": "code:ours"}
    )
    assert (partial.rejected_log_records, partial.error_message) == (0, "")
    assert await scores_with_authors(client) == {"quality": [("code:ours", None)]}


async def test_humans_value_stays_where_it_precedes(client: httpx.AsyncClient) -> None:
    await define(client, "quality", precedence="human")
    await give(client, evaluation("quality", 5, evaluation_evaluator="human:Ann"))
    await give(client, evaluation("quality", 1))
    assert await scores(client) == {"quality": 5}


# Whose score it is


async def test_request_id_counts_before_response_id_and_span(client: httpx.AsyncClient) -> None:
    await send(client, LOGGED)
    both = {"helicone.request.id": "r", **evaluation("quality", 1, response_id=RESPONSE)}
    await send(client, logs(record(both, **BY_SPAN)))
    elsewhere = {"traceId": TRACE, "spanId": "00000000000000aa"}
    await send(client, logs(record(evaluation("other", 2, response_id=RESPONSE), **elsewhere)))
    assert await scores(client) == {"quality": 1}
    assert await scores(client, OWN_ID) == {"other": 2}


@pytest.mark.parametrize("is_logged_first", [True, False])
@pytest.mark.parametrize("target", [BY_SPAN, {}])
async def test_order_of_score_and_log_does_not_matter(
    client: httpx.AsyncClient, *, is_logged_first: bool, target: Json
) -> None:
    more = {} if target else {"response_id": RESPONSE}
    steps = [LOGGED, logs(record(evaluation("quality", 0.5, **more), **target))]
    for step in steps if is_logged_first else reversed(steps):
        assert await send(client, step) == {}
    assert await ids(client) == [OWN_ID]
    assert await scores(client, OWN_ID) == {"quality": 50}


async def test_score_waits_for_any_log_of_the_response(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    first = evaluation("quality", 3, response_id=RESPONSE, evaluation_explanation="First.")
    await send(client, logs(record(first), record(evaluation("quality", 4, response_id=RESPONSE))))
    assert await ids(client) == []
    body = {
        "providerRequest": {"url": "", "json": {}, "meta": {"Helicone-Request-Id": "r"}},
        "providerResponse": {"json": {"id": RESPONSE}, "status": 200},
    }
    assert (await client.post("/oai/v1/log", json=body)).text == "ok"
    assert await scores(client) == {"quality": 4}
    assert await waiting(connection, organization_id) == 0


async def waiting(connection: Connection, organization_id: int) -> int:
    count: int = await connection.fetchval(
        "SELECT count(*) FROM waiting_score WHERE organization_id = $1", organization_id
    )
    return count


async def test_waiting_score_is_of_its_organization(
    client: httpx.AsyncClient, shared: Service, connection: Connection, organization_id: int
) -> None:
    await send(client, logs(record(evaluation("quality", 1, response_id=RESPONSE))))
    other = await shared.client("another organization")
    await send(other, LOGGED)
    assert await scores(other, OWN_ID) == {}
    assert await waiting(connection, organization_id) == 1
    await send(other, logs(record(evaluation("quality", 2, response_id=RESPONSE))))
    assert await scores(other, OWN_ID) == {"quality": 2}


async def test_score_of_an_unknown_request_is_refused_where_that_is_set(start_service: StartService) -> None:
    client = await (await start_service(unknown_requests="reject")).client()
    given = record(evaluation("a", 1), **BY_SPAN), record(evaluation("b", 1, response_id=RESPONSE))
    answer = await send(client, logs(*given))
    message = f"b: there is no request with the response {RESPONSE}; a: there is no request {OWN_ID}"
    assert answer == {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": message}}


async def test_idempotency_key_makes_one_transaction_of_an_export(client: httpx.AsyncClient) -> None:
    both = logs(record(evaluation("a", 1), **BY_SPAN), record(evaluation("b", 1, response_id=RESPONSE)))
    for replayed in (None, "true"):
        response = await client.post("/v1/logs", json=both, headers={"Idempotency-Key": "k"})
        assert (response.status_code, response.json()) == (200, {})
        assert response.headers.get("Idempotent-Replayed") == replayed
    await send(client, LOGGED)
    assert await scores(client, OWN_ID) == {"a": 1, "b": 1}


# Old ones


async def test_score_that_waited_too_long_is_pruned(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for name in ("a", "b"):
        await send(client, logs(record(evaluation(name, 1, response_id=RESPONSE))))
    age = "UPDATE waiting_score SET posted_at = now() - $1::interval WHERE organization_id = $2 AND id = $3"
    oldest = await connection.fetchval(
        "SELECT min(id) FROM waiting_score WHERE organization_id = $1", organization_id
    )
    await connection.execute(age, waiting_scores.KEPT, organization_id, oldest)
    assert await waiting_scores.prune(connection, organization_id, 1000) == 1
    await send(client, LOGGED)
    assert await scores(client, OWN_ID) == {"b": 1}


async def test_no_more_scores_wait_than_may(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await connection.execute(
        "INSERT INTO waiting_score (organization_id, posted_at, response_id, name_id, origin_id, value, "
        "is_boolean) SELECT $1, now(), n::text, 0, 0, 0, false FROM generate_series(0, $2) AS n",
        organization_id,
        waiting_scores.MAX_WAITING,
    )
    answer = await send(client, logs(record(evaluation("a", 1, response_id=RESPONSE))))
    message = f"a: the response {RESPONSE} is not logged, and 100000 scores wait for others already"
    assert answer == {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": message}}


# Races: two connections, stopped at the moments that matter


@pytest.fixture
async def second(shared: Service) -> AsyncIterator[Connection]:
    second = await asyncpg.connect(shared.dsn)
    yield second
    await second.close()


async def until_blocked(connection: Connection, task: asyncio.Task[Any]) -> None:
    """Wait until a statement waits for an advisory lock."""
    async with asyncio.timeout(PATIENCE_S):
        while not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        ):
            assert not task.done()
            await asyncio.sleep(0.002)


def logged(organization_id: int) -> LoggedRequest:
    return LoggedRequest(
        organization_id=organization_id,
        request_id="r",
        created_at=now(),
        updated_at=now(),
        response_id=RESPONSE,
    )


async def test_score_waits_for_a_log_in_progress(
    client: httpx.AsyncClient, connection: Connection, second: Connection, organization_id: int
) -> None:
    """The log has looked for waiting scores and is not committed: whoever looks now sees no request."""
    async with second.transaction():
        await request_log.log(second, logged(organization_id))
        scoring = asyncio.create_task(
            send(client, logs(record(evaluation("quality", 1, response_id=RESPONSE))))
        )
        await until_blocked(connection, scoring)
    assert await scoring == {}
    assert await scores(client) == {"quality": 1}
    assert await waiting(connection, organization_id) == 0


async def test_log_waits_for_a_score_in_progress(
    client: httpx.AsyncClient, connection: Connection, second: Connection, organization_id: int
) -> None:
    """The score's call has found no request and its score is not committed: a log sees none that waits."""
    await send(client, logs(record(evaluation("quality", 1, response_id="another"))))
    async with second.transaction():
        await waiting_scores.lock_responses(second, organization_id, [RESPONSE])
        assert await waiting_scores.find_requests(second, organization_id, [RESPONSE]) == {}
        logging = asyncio.create_task(send(client, LOGGED))
        await until_blocked(connection, logging)
        await second.execute(
            "UPDATE waiting_score SET response_id = $1 WHERE organization_id = $2", RESPONSE, organization_id
        )
    assert await logging == {}
    assert await scores(client, OWN_ID) == {"quality": 1}


async def test_none_is_missed_when_both_come_at_once(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    def log(number: int) -> Awaitable[Json]:
        spans = traces(span({"gen_ai.response.id": f"response {number}"}, spanId=f"{number:016x}"))
        return send(client, spans)

    def score(number: int) -> Awaitable[Json]:
        return send(client, logs(record(evaluation("quality", number, response_id=f"response {number}"))))

    calls: list[Callable[[int], Awaitable[Json]]] = [log, score]
    answers = await asyncio.gather(*(each(number) for number in range(1, 41) for each in calls))
    assert answers == [{}] * 80
    rows = (await client.post("/v1/request/query", json={"filter": "all", "limit": 100})).json()["data"]
    found = {row["response_id"]: row["scores"] for row in rows}
    assert found == {f"response {number}": {"quality": number} for number in range(1, 41)}
    assert await waiting(connection, organization_id) == 0


async def test_same_response_logged_twice_keeps_its_scores(client: httpx.AsyncClient) -> None:
    score = logs(record(evaluation("quality", 1, response_id=RESPONSE)))
    await asyncio.gather(*(send(client, export) for export in (LOGGED, score, LOGGED, score)))
    assert await scores(client, OWN_ID) == {"quality": 1}


def test_older_names_of_an_event_are_known() -> None:
    """As attributes of a record, and with its data in the body."""
    from heliscore.api.opentelemetry.otlp_exports import find_in_logs

    body = {"kvlistValue": {"values": attributes(evaluation("quality", 1, response_id=RESPONSE))}}
    sent = {"attributes": attributes({"event.name": EVALUATION}), "body": body}
    export = {"resourceLogs": [{"scopeLogs": [{"logRecords": [sent]}]}]}
    [found] = find_in_logs(json.dumps(export).encode(), in_protobuf=False, headers={}).evaluations
    assert (found.name, found.value, found.response_id) == ("quality", 1, RESPONSE)

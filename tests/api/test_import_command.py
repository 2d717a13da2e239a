"""`heliscore import` of each format: what is in the file is what a search finds."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner, Result
from heliscore.api.helicone.row import Row
from heliscore.cli.import_command import import_
from heliscore.domain.errors import NotAsked
from heliscore.store.connections.pool import Connection

from tests.api.envelope import post
from tests.conftest import Service
from tests.servers import listening_socket

Run = Callable[..., Awaitable[Result]]

HELICONE: Final[dict[str, Any]] = {
    "response_id": "5f0e",
    "response_created_at": "2026-01-01T10:00:01.500Z",
    "response_status": 200,
    "response_model": "gpt-4o-2024-08-06",
    "request_id": "7c1d",
    "request_created_at": "2026-01-01T10:00:00.000Z",
    "request_body": {"messages": [{"role": "user", "content": 'Say "hi", once'}]},
    "response_body": {"choices": []},
    "request_path": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "ada",
    "request_properties": {"Environment": "prod", "Helicone-Session-Id": "s1"},
    "request_model": "gpt-4o",
    "provider": "OPENAI",
    "delay_ms": 1500,
    "total_tokens": 30,
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "cost": 0.00025,
    "costUSD": None,
    "country_code": "DE",
    "updated_at": "2026-01-01T10:00:02.000Z",
    "scores": {"accuracy": 95, "cites-hcone-bool": 1, "helicone-score-feedback": 0},
    "properties": {"Environment": "prod", "Helicone-Session-Id": "s1"},
}


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(cell) if isinstance(cell, dict | list) else cell for name, cell in row.items()}
        for row in rows
    )
    return text.getvalue()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def run(shared: Service, organization: str, tmp_path: Path) -> Run:
    """Run the command in this process, on files in a folder."""
    key = await shared.make_key(organization)

    async def run(*arguments: str | Path, **variables: str) -> Result:
        environment = {"HELISCORE_URL": shared.address, "HELISCORE_API_KEY": key} | variables
        files = [tmp_path / one if isinstance(one, Path) else one for one in arguments]
        return await asyncio.to_thread(
            CliRunner().invoke, import_, [str(one) for one in files], env=environment
        )

    return run


async def found(client: httpx.AsyncClient, *keys: str) -> list[dict[str, Any]]:
    """Those values of all rows, by request id."""
    response = await client.post("/v1/request/query", json={"filter": "all", "limit": 1000})
    rows = sorted(response.json()["data"], key=lambda row: str(row["request_id"]))
    return [{key: row[key] for key in keys or row if key != "signed_body_url"} for row in rows]


async def authors(client: httpx.AsyncClient, request_id: str) -> dict[str, tuple[Any, ...]]:
    """Value, author, time and comment of each score."""
    response = await client.get(f"/v1/request/{request_id}/scores")
    return {
        name: tuple(score[key] for key in ("value", "isBoolean", "author", "at", "comment"))
        for name, score in response.json()["data"]["scores"].items()
    }


def expected(**values: object) -> dict[str, Any]:
    """A row of which little is known."""
    nothing = dict.fromkeys(Row.__struct_fields__)
    del nothing["signed_body_url"], nothing["score_details"]
    return {**nothing, "asset_ids": [], "assets": [], "cache_enabled": False, **values}


HELICONE_ROW: Final = expected(
    response_id="5f0e",
    response_created_at="2026-01-01T10:00:01.500Z",
    response_status=200,
    request_created_at="2026-01-01T10:00:00.000Z",
    request_user_id="ada",
    helicone_user="ada",
    request_properties={"Environment": "prod", "Helicone-Session-Id": "s1"},
    properties={"Environment": "prod", "Helicone-Session-Id": "s1"},
    request_model="gpt-4o",
    model="gpt-4o",
    delay_ms=1500,
    prompt_tokens=10,
    completion_tokens=20,
    cost=0.00025,
    costUSD=0.00025,
)


@pytest.mark.parametrize("form", ["jsonl", "json", "gz"])
async def test_helicone(run: Run, client: httpx.AsyncClient, tmp_path: Path, form: str) -> None:
    line = json.dumps(HELICONE).encode() + b"\n"
    # As their tool ends an array that reaches no limit.
    contents = {
        "jsonl": line,
        "json": b"[\n" + json.dumps(HELICONE, indent=2).encode() + b",\n]\n",
        "gz": gzip.compress(line),
    }
    (tmp_path / "output").write_bytes(contents[form])
    result = await run(Path("output"))
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert await found(client) == [
        {
            **HELICONE_ROW,
            "request_id": "7c1d",
            "provider": "OPENAI",
            "response_model": "gpt-4o-2024-08-06",
            "model": "gpt-4o-2024-08-06",
            "total_tokens": 30,
            "request_path": "https://api.openai.com/v1/chat/completions",
            "request_body": HELICONE["request_body"],
            "response_body": HELICONE["response_body"],
            "updated_at": "2026-01-01T10:00:02.000Z",
            "feedback_created_at": "2026-01-01T10:00:02.000Z",
            "feedback_rating": False,
            "scores": {"accuracy": 95, "cites": 1, "helicone-score-feedback": 0},
        }
    ]
    assert await authors(client, "7c1d") == {
        name: (value, is_boolean, "api:helicone", "2026-01-01T10:00:02.000000Z", None)
        for name, value, is_boolean in (
            ("accuracy", 95, False),
            ("cites", 1, True),
            ("helicone-score-feedback", 0, True),
        )
    }
    again = await run(Path("output"))
    assert again.output.splitlines()[-1].endswith("1 rows are stored, 1 of them without a change")


async def test_what_does_not_fit_in_a_row_is_left_out_and_written_beside(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    scores = {"cites-hcone-bool": 5, "accuracy": 95, "quality": "high"}
    row = {**HELICONE, "scores": scores, "delay_ms": "soon", "properties": {"n": 1}}
    (tmp_path / "output.jsonl").write_text(json.dumps(row) + "\n")
    result = await run(Path("output.jsonl"))
    assert result.exit_code == 1
    [shown] = await found(client, "scores", "delay_ms", "properties")
    assert shown == {"scores": {"accuracy": 95}, "delay_ms": None, "properties": {"n": "1"}}
    rejected = [
        json.loads(line) for line in (tmp_path / "output.jsonl.rejected.jsonl").read_text().splitlines()
    ]
    assert [one["reason"] for one in rejected] == [
        'latency_ms: expected a number, got "soon"',
        "scores.cites: expected true or false, got 5",
        'scores.quality: expected a number, got "high"',
    ]
    assert rejected[0]["row"] == row


async def test_helicone_csv_whose_quotes_are_doubled_too_often(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    columns = (
        "response_id,response_created_at,response_status,request_created_at,request_body,request_properties,"
        "request_user_id,model,prompt_tokens,completion_tokens,latency,cost"
    )
    values = {**HELICONE, "model": "gpt-4o", "latency": 1500}

    def cell(value: object) -> str:
        text = json.dumps(value).replace('"', '""') if isinstance(value, dict) else str(value)
        return '"{}"'.format(text.replace('"', '""'))

    line = ",".join(cell(values[name]) for name in columns.split(","))
    (tmp_path / "output.csv").write_text(f"{columns}\n{line}\n")
    result = await run(Path("output.csv"))
    assert result.exit_code == 0, result.output
    assert await found(client) == [
        {
            **HELICONE_ROW,
            "request_id": "5f0e",
            "request_body": HELICONE["request_body"],
            "updated_at": "2026-01-01T10:00:01.500Z",
            "scores": {},
        }
    ]


LANGFUSE: Final[list[dict[str, Any]]] = [
    {"name": "correctness", "dataType": "NUMERIC", "value": 0.575, "source": "EVAL", "comment": "half"},
    {"name": "stars", "dataType": "NUMERIC", "value": 4, "source": "ANNOTATION", "authorUserName": "Ann Lee"},
    {"name": "cites", "dataType": "BOOLEAN", "value": 1, "stringValue": "True", "source": "API"},
    {"name": "tone", "dataType": "CATEGORICAL", "value": 0, "stringValue": "good", "source": "ANNOTATION"},
    {"name": "tone", "dataType": "CATEGORICAL", "value": 0, "stringValue": "odd", "source": "ANNOTATION"},
    {"name": "note", "dataType": "TEXT", "value": None, "stringValue": "fine", "source": "API"},
    {"name": "correctness", "dataType": "NUMERIC", "value": 1.0, "source": "EVAL"},
]


def langfuse(**more: object) -> list[dict[str, Any]]:
    """Scores of one observation, and the last one of a trace."""
    subject = {"traceId": "t1", "observationId": "o1", "sessionId": None}
    return [
        {
            "id": f"s{number}",
            **subject,
            "timestamp": f"2026-01-01T10:00:0{number}.000Z",
            "comment": None,
            "stringValue": None,
            "authorUserName": None,
            **score,
            **more,
            **({} if number < len(LANGFUSE) - 1 else {"observationId": None}),
        }
        for number, score in enumerate(LANGFUSE)
    ]


@pytest.mark.parametrize("form", ["ui.csv", "ui.json", "api.json"])
async def test_langfuse(run: Run, client: httpx.AsyncClient, tmp_path: Path, form: str) -> None:
    definition = {"type": "category", "labels": {"2": "good", "1": "bad"}}
    assert (await client.put("/v1/score-definitions/tone", json=definition)).status_code == 200
    rows = langfuse(environment="default")
    contents = {
        "ui.csv": as_csv(rows),
        "ui.json": json.dumps(rows),
        "api.json": json.dumps(
            {"data": rows, "meta": {"page": 1, "limit": 50, "totalItems": 7, "totalPages": 1}}
        ),
    }
    (tmp_path / form).write_text(contents[form])
    result = await run(Path(form))
    assert result.exit_code == 1
    at = "2026-01-01T10:00:0{}.000000Z".format
    assert await authors(client, "o1") == {
        "correctness": (58, False, "judge:langfuse", at(0), "half"),
        "stars": (4, False, "human:Ann Lee", at(1), None),
        "cites": (1, True, "api:langfuse", at(2), None),
        "tone": (2, False, "human:langfuse", at(3), None),
    }
    assert await authors(client, "t1") == {"correctness": (100, False, "judge:langfuse", at(6), None)}
    rejected = [json.loads(line) for line in (tmp_path / f"{form}.rejected.jsonl").read_text().splitlines()]
    assert [(one["number"], one["reason"], one["row"]["id"]) for one in rejected] == [
        (5, 'scores.tone: no definition says which value the label "odd" has', "s4"),
        (6, "TEXT is no kind of score", "s5"),
    ]
    assert result.stdout.splitlines() == [
        f"{tmp_path / form}: Langfuse, {form[-3:].upper() if 'csv' in form else 'JSON'}, 7 rows",
        "  request_id                 <- observationId, else traceId",
        "  score.name                 <- name",
        "  score.value                <- value",
        "  score.label                <- stringValue",
        "  score.at                   <- updatedAt, else timestamp",
        "  score.comment              <- comment",
        "  data_type                  <- dataType",
        "  source                     <- source",
        "  author                     <- authorUserName, else authorUserId",
        "  not taken: id, environment",
        "  scores without an author are api:langfuse",
        "score cites                  <- true and false as they are (1)",
        "score correctness            <- 0.575 to 1.0 times 100, rounded (2)",
        "score stars                  <- 4 to 4 as they are (1)",
        "score tone                   <- good = 2, odd = no value (2)",
        f"{tmp_path / form}: 5 rows are stored, 0 of them without a change",
        f"{tmp_path / form}.rejected.jsonl: 2 reasons why something is not",
    ]


async def test_a_score_has_one_rule_in_all_files(run: Run, client: httpx.AsyncClient, tmp_path: Path) -> None:
    rows = [row for row in langfuse() if row["name"] == "correctness"]
    for name, row in zip(("first.json", "second.json"), rows, strict=True):
        (tmp_path / name).write_text(json.dumps([row]))
    result = await run(Path("second.json"), Path("first.json"))
    assert result.exit_code == 0, result.output
    assert [row["scores"] for row in await found(client, "scores")] == [
        {"correctness": 58},
        {"correctness": 100},
    ]


async def test_phoenix_annotations(run: Run, client: httpx.AsyncClient, tmp_path: Path) -> None:
    annotations = [
        {
            "id": "U3Bhbg==",
            "span_id": "67f6740bbe1ddc3f",
            "name": "correctness",
            "annotator_kind": kind,
            "result": {"label": "correct", "score": score, "explanation": explanation},
            "metadata": {"model": "gpt-4"},
            "identifier": identifier,
            "created_at": f"2026-01-01T10:00:0{number}.000001+00:00",
            "updated_at": f"2026-01-01T10:00:0{number}.000001+00:00",
            "source": "API",
            "user_id": None,
        }
        for number, (kind, score, explanation, identifier) in enumerate(
            (("HUMAN", 0.85, "fine", "user-123"), ("LLM", 1, None, ""), ("CODE", 0.0, None, ""))
        )
    ]
    (tmp_path / "annotations.json").write_text(json.dumps({"data": annotations, "next_cursor": None}))
    result = await run(Path("annotations.json"))
    assert result.exit_code == 0, result.output
    response = await client.get("/v1/request/67f6740bbe1ddc3f/scores")
    changes = response.json()["data"]["scores"]["correctness"]["history"]
    assert [(change["value"], change["author"], change["at"], change["comment"]) for change in changes] == [
        (0, "code:phoenix", "2026-01-01T10:00:02.000001Z", None),
        (100, "judge:phoenix", "2026-01-01T10:00:01.000001Z", None),
        (85, "human:user-123", "2026-01-01T10:00:00.000001Z", "fine"),
    ]


async def test_phoenix_data_frame_without_names_and_times(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "evals.csv"
    file.write_text("context.span_id,label,score,explanation\na1,correct,1,right\na2,incorrect,0,wrong\n")
    os.utime(file, (1767225600, 1767225600))
    result = await run(Path("evals.csv"), "--map", "score.name==relevance", "--scale", "relevance=100")
    assert result.exit_code == 0, result.output
    assert [await authors(client, request_id) for request_id in ("a1", "a2")] == [
        {"relevance": (value, False, "judge:phoenix", "2026-01-01T00:00:00.000000Z", comment)}
        for value, comment in ((100, "right"), (0, "wrong"))
    ]


PROMPTLAYER: Final[dict[str, Any]] = {
    "id": 42,
    "prompt_id": "77",
    "prompt_name": "greeting",
    "prompt_version_number": 3,
    "engine": "gpt-4o",
    "provider_type": "openai",
    "price": 0.0005,
    "input_tokens": 10,
    "output_tokens": 20,
    "latency": 1.25,
    "request_start_time": "2026-01-01T10:00:00",
    "request_end_time": "2026-01-01T10:00:01.250",
    "status": "SUCCESS",
    "error_type": None,
    "error_message": None,
    "metadata": {"user": "u1"},
    "tags_array": ["batch"],
    "scores": [{"name": "summarization", "score": 88}, {"name": "odd", "score": 1.5}],
}


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_promptlayer(run: Run, client: httpx.AsyncClient, tmp_path: Path, form: str) -> None:
    contents = {"json": json.dumps({"items": [PROMPTLAYER], "total": 1}), "csv": as_csv([PROMPTLAYER])}
    (tmp_path / form).write_text(contents[form])
    result = await run(Path(form))
    assert result.exit_code == 1
    assert await found(client) == [
        expected(
            request_id="42",
            prompt_id="greeting",
            prompt_version="3",
            request_model="gpt-4o",
            model="gpt-4o",
            provider="openai",
            cost=0.0005,
            costUSD=0.0005,
            prompt_tokens=10,
            completion_tokens=20,
            delay_ms=1250,
            request_created_at="2026-01-01T10:00:00.000Z",
            response_created_at="2026-01-01T10:00:01.250Z",
            updated_at="2026-01-01T10:00:01.250Z",
            request_properties={"user": "u1"},
            properties={"user": "u1"},
            scores={"summarization": 88},
        )
    ]
    [rejected] = (tmp_path / f"{form}.rejected.jsonl").read_text().splitlines()
    reason = "scores.odd: 1.5 is no whole number: say by how much it is multiplied, --scale NAME=100"
    assert json.loads(rejected)["reason"] == reason


OURS: Final[dict[str, Any]] = {
    "request_id": "req_1",
    "created_at": "2026-01-01T10:00:00.000Z",
    "updated_at": "2026-01-01T10:00:07.123Z",
    "cost_is_computed": False,
    "cache_enabled": False,
    "provider": "OPENAI",
    "properties": {"variant": "A"},
}


async def test_our_csv_with_formulas_and_details(run: Run, client: httpx.AsyncClient, tmp_path: Path) -> None:
    details = {"a": {"value": True, "at": "2026-01-01T10:00:05.000001Z", "author": "code:x", "comment": "=1"}}
    row = {**OURS, "user_id": "'=1+1", "tags": ["t"], "score_details": details, "scores.a": 1}
    (tmp_path / "ours.csv").write_text(as_csv([row]))
    result = await run(Path("ours.csv"))
    assert result.exit_code == 0, result.output
    assert await authors(client, "req_1") == {"a": (1, True, "code:x", "2026-01-01T10:00:05.000001Z", "=1")}
    [shown] = await found(client, "request_user_id", "properties", "updated_at")
    assert shown == {
        "request_user_id": "=1+1",
        "properties": {"variant": "A"},
        "updated_at": "2026-01-01T10:00:07.123Z",
    }


async def test_our_lines_are_scaled_where_that_is_asked_for(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    scores = {"a": {"value": 0.5, "at": "2026-01-01T10:00:05.000001Z", "author": "code:x"}}
    past = {"a": [{"value": 1, "at": "2026-01-01T10:00:04.000001Z", "author": "code:x", "call": "score"}]}
    (tmp_path / "ours").write_text(json.dumps({**OURS, "scores": scores, "history": past}))
    result = await run(Path("ours"), "--scale", "10")
    assert result.exit_code == 0, result.output
    assert await authors(client, "req_1") == {"a": (5, False, "code:x", "2026-01-01T10:00:05.000001Z", None)}


async def test_our_csv_without_details_changes_no_score_that_is_there(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await post(client, "req_1", {"a": 5})
    rows = [{**OURS, "scores.a": 5, "scores.b": 7}, {**OURS, "request_id": "req_2", "scores.a": 1}]
    (tmp_path / "ours.csv").write_text(as_csv([{"scores.b": None, **row} for row in rows[::-1]]))
    for unchanged in (0, 2):
        result = await run(Path("ours.csv"))
        assert result.output.splitlines()[-1].endswith(
            f"2 rows are stored, {unchanged} of them without a change"
        )
    assert [row["scores"] for row in await found(client, "scores")] == [{"a": 5, "b": 7}, {"a": 1}]


async def test_a_dry_run_sends_nothing_and_says_what_would_be_rejected(
    run: Run, client: httpx.AsyncClient, tmp_path: Path, connection: Connection, organization_id: int
) -> None:
    lines = [{**OURS, "scores": {"a": {"value": 1, "at": "2026-01-01"}}}, {**OURS, "latency_ms": "1"}]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "no json\n")
    result = await run(Path("ours.jsonl"), "--dry-run")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'ours.jsonl'}: Heliscore, JSONL: lines are sent as they are",
        f'  2: latency_ms: expected an integer from {-(2**63)} to {2**63 - 1}, got "1"',
        "  3: the line is not valid JSON: JSON is malformed: invalid character (byte 4)",
        f"{tmp_path / 'ours.jsonl'}: 1 rows would be sent, 2 reasons not to take something",
    ]
    assert await found(client) == []
    names = await connection.fetch("SELECT FROM score_name WHERE organization_id = $1", organization_id)
    assert names == []
    assert files_in(tmp_path) == ["ours.jsonl"]


async def test_an_import_that_was_cut_off_is_run_again(
    run: Run, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    lines = [
        json.dumps(
            {**OURS, "request_id": f"r{number}", "scores": {"a": {"value": number, "at": "2026-01-01"}}}
        )
        for number in range(300)
    ]
    file = tmp_path / "ours.jsonl.gz"
    whole = gzip.compress("\n".join(lines).encode())
    file.write_bytes(whole[: len(whole) // 2])
    result = await run(Path("ours.jsonl.gz"))
    assert (type(result.exception), str(result.exception)) == (
        NotAsked,
        f"{file}: this is no whole gzip file",
    )
    file.write_bytes(whole)
    assert (await run(Path("ours.jsonl.gz"))).exit_code == 0
    rows = await found(client, "request_id", "scores")
    assert len(rows) == 300
    assert rows[7] == {"request_id": "r104", "scores": {"a": 104}}


async def test_files_that_are_none_are_named(run: Run, tmp_path: Path) -> None:
    contents = {"empty": "", "other.csv": "a,b\n1,2\n", "half.json": '[{"name": "a"', "other.json": "[[1]]"}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    unknown = "the format is not recognised: say which by --format"
    messages = {
        "empty": "there is no row in it",
        "other.csv": unknown,
        "half.json": "this is no JSON: Expecting ',' delimiter",
        "other.json": "there is no row in it",
        "missing": "No such file or directory",
    }
    for name, message in messages.items():
        result = await run(Path(name))
        assert str(result.exception) == f"{tmp_path / name}: {message}"


async def test_a_service_that_is_away_was_not_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ours.jsonl").write_text(json.dumps(OURS))
    listener = listening_socket()
    address = "http://{}:{}".format(*listener.getsockname())
    listener.close()
    result = await run(Path("ours.jsonl"), HELISCORE_URL=address)
    assert isinstance(result.exception, NotAsked)
    assert str(result.exception).startswith(f"{address}: ")

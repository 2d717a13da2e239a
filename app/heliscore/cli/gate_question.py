"""Reads the file of a gate and asks a service."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from heliscore.cli.service_calls import asking, call, convert
from heliscore.domain.errors import NotAsked
from heliscore.domain.gate.gate_report import GateReport

if TYPE_CHECKING:
    import httpx

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0

_Question = dict[str, Any]


def read_question(file: str) -> _Question:
    """Read JSON or TOML from a file, - for stdin. Raises NotAsked."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        question = _decode(text, file)
    except OSError as error:
        raise NotAsked(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAsked(f"{file}: {error}") from None
    if not isinstance(question, dict):
        raise NotAsked(f"{file}: expected an object")
    return question


def _decode(text: bytes, file: str) -> Any:
    is_json = text.lstrip().startswith(b"{") if file == "-" else not file.endswith(".toml")
    return msgspec.json.decode(text) if is_json else tomllib.loads(text.decode())


def ask(url: str, key: str, question: _Question, wait: float | None, expect: int | None) -> GateReport:
    """Ask once, after waiting for scores where asked to. Raises NotAsked."""
    with asking(url, key) as client:
        if wait is not None and expect is not None:
            _wait(client, question, wait, expect)
        return convert(client, call(client, "/v1/evals/gate", question), GateReport)


# Waiting


def _wait(client: httpx.Client, question: _Question, wait_s: float, expect: int) -> None:
    """Wait until so many requests of the candidate have the scores of all checks.

    Only their number is looked at: a verdict that is taken when it first pleases would be wrong more often.
    """
    body = {"filter": make_filter(question)}
    end, pause, shown = time.monotonic() + wait_s, _FIRST_PAUSE_S, -1
    while (count := convert(client, call(client, "/v1/request/count/query", body), int)) < expect:
        progress = f"{count:,} of {expect:,} requests have all scores"
        if count != shown:
            click.echo(progress, err=True)
        left = end - time.monotonic()
        if left <= 0:
            raise NotAsked(f"{progress} after {wait_s:g} s")
        time.sleep(min(pause, left))
        shown, pause = count, min(pause * 1.5, _LONGEST_PAUSE_S)


def make_filter(question: _Question) -> object:
    """The requests of the candidate that have the scores of all checks, in Helicone's filter language."""
    filters: list[object] = [question.get("filter", "all"), _candidate(question.get("candidate"))]
    if times := question.get("timeFilter"):
        filters.append(_times(times))
    checks = question.get("checks")
    scores = {
        check["score"]: {"exists": True}
        for check in (checks if isinstance(checks, list) else [])
        if isinstance(check, dict) and "score" in check and not check.get("skip")
    }
    if scores:
        filters.append({"request_response_rmt": {"scores": scores}})
    joined, *rest = filters
    for one in rest:
        joined = {"left": joined, "operator": "and", "right": one}
    return joined


def _candidate(candidate: object) -> object:
    match candidate:
        case {"filter": tree}:
            return tree
        case {"times": times}:
            return _times(times)
        case {"property": str() as key, "equals": value}:
            return _of_value({"properties": {key: _condition(value)}}, value)
        case {"column": str() as column, "equals": value}:
            return _of_value({column: _condition(value)}, value)
        case _:
            raise NotAsked("candidate: expected property or column with equals, filter or times")


def _condition(value: object) -> object:
    return {"exists": True} if value is None else {"equals": value}


def _of_value(columns: object, value: object) -> object:
    leaf = {"request_response_rmt": columns}
    return {"not": leaf} if value is None else leaf


def _times(times: object) -> object:
    match times:
        case {"start": start, "end": end}:
            return {"request_response_rmt": {"request_created_at": {"gte": start, "lt": end}}}
        case _:
            raise NotAsked("expected start and end of times")

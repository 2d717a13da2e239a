"""Lines of JSON for what is not a call: messages and defects, without what others may not read."""

from __future__ import annotations

import json
import logging

import pytest
from heliscore.domain.errors import StartError
from heliscore.observability.log_lines import JsonFormatter, describe, make_log_config

SECRET = "postgresql://user:secret@host/db"


def fail_with(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Let it happen, so that it knows where it did."""
    try:
        try:
            if cause is not None:
                raise cause
        finally:
            raise error
    except BaseException as raised:
        return raised


def test_description_says_where_and_what_kind_but_not_what_was_given() -> None:
    first, raised, kind = describe(fail_with(ValueError(SECRET))).splitlines()
    assert first.endswith(", in fail_with")
    assert (raised.strip(), kind) == ("raise error", "builtins.ValueError")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StartError("for people"), "heliscore.domain.errors.StartError: for people"),
        (type("Broken", (Exception,), {"sqlstate": "23514"})(SECRET), "Broken (SQLSTATE 23514)"),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "builtins.UnicodeDecodeError"),
    ],
    ids=["ours", "PostgreSQL's", "with an object"],
)
def test_description_ends_with_the_kind(error: Exception, kind: str) -> None:
    described = describe(fail_with(error))
    assert described.splitlines()[-1].endswith(kind)
    assert "secret" not in described


def test_description_begins_with_what_came_before() -> None:
    described = describe(fail_with(KeyError(SECRET), ValueError(SECRET)))
    before, _, after = described.partition("\n\nand then:\n\n")
    assert before.splitlines()[-1] == "builtins.ValueError"
    assert after.splitlines()[-1] == "builtins.KeyError"
    assert "secret" not in described


def test_record_becomes_one_line() -> None:
    error = fail_with(ValueError(SECRET))
    record = logging.LogRecord(
        "heliscore", logging.ERROR, "", 0, "two\nlines of %s", ("\udcff",), (ValueError, error, None)
    )
    record.created = 0.0015
    record.__dict__["fields"] = {"id": "mine"}
    [line] = JsonFormatter().format(record).splitlines()
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.001500Z",
        "level": "error",
        "logger": "heliscore",
        "message": "two\nlines of \\udcff",
        "id": "mine",
        "traceback": describe(error),
    }


@pytest.mark.parametrize(
    ("level", "libraries"),
    [("debug", "WARNING"), ("info", "WARNING"), ("warning", "WARNING"), ("error", "ERROR")],
)
def test_libraries_are_never_chattier_than_warnings(level: str, libraries: str) -> None:
    config = make_log_config(level)
    assert config["root"]["level"] == libraries
    assert config["loggers"]["heliscore"]["level"] == level.upper()

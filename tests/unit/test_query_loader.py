from __future__ import annotations

from pathlib import Path

import pytest
from heliscore.store import statements
from heliscore.store.statements import fill, load


def test_statements_are_loaded_by_file_and_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(statements, "SQL_FOLDER", tmp_path)
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "dog.sql").write_text(
        "-- Dogs.\n\n-- name: feed\n-- Twice a day.\nUPDATE dog\nSET fed = $1\n\n-- name: call_in\nSELECT 1\n"
    )
    assert load("dog") == {
        "feed": "-- Twice a day.\nUPDATE dog\nSET fed = $1",
        "call_in": "SELECT 1",
    }


def test_slots_are_filled_by_name() -> None:
    statement = "SELECT 1 WHERE /* where */ true /* end */ ORDER BY /* order */ 1,\n 2 /* end */ LIMIT 3"
    assert fill(statement, order="b", where="a") == "SELECT 1 WHERE a ORDER BY b LIMIT 3"


def test_slot_that_is_not_named_stays() -> None:
    statement = "SELECT /* what */ 1 /* end */ WHERE /* where */ true /* end */"
    assert fill(statement, where="false") == "SELECT /* what */ 1 /* end */ WHERE false"


def test_filling_keeps_backslashes_and_other_slots_text() -> None:
    sql = r"a LIKE '\1\g<0>\\' AND b = '/* order */ 1 /* end */'"
    assert fill("/* where */ true /* end */, /* order */ 1 /* end */", where=sql, order="2") == f"{sql}, 2"


def test_ordinary_comment_is_no_slot() -> None:
    statement = "SELECT /* why */ 1 -- /* because */"
    assert fill(statement, why="2", because="3") == statement

from __future__ import annotations

import csv
import io

import pytest
from heliscore.domain.spreadsheet_cells import defuse, undefuse
from heliscore.exports.csv_file import write_rows
from hypothesis import given
from hypothesis import strategies as st

STRINGS = st.text(st.sampled_from("='+-@\t\r\n\", a1"), max_size=6) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6
)


@pytest.mark.parametrize(
    ("string", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        (" =1", " =1"),
        ("1=1", "1=1"),
        ("", ""),
    ],
)
def test_strings_that_would_be_formulas_are_defused(string: str, cell: str) -> None:
    assert (defuse(string), undefuse(cell)) == (cell, string)


@given(STRINGS)
def test_defusing_can_be_undone(string: str) -> None:
    cell = defuse(string)
    assert cell[:1] not in tuple("=+-@\t\r")
    assert undefuse(cell) == string


@given(st.lists(st.lists(STRINGS, min_size=2, max_size=2), min_size=1))
def test_any_cells_can_be_read_again(rows: list[list[str]]) -> None:
    text = write_rows(rows).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows

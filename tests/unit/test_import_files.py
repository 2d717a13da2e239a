"""Reading files of rows: large JSON by and by, numbers exactly, and values by rules."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from heliscore.imports import json_rows
from heliscore.imports.fields import Found, Unfit, as_boolean, as_json, as_time
from heliscore.imports.files import RowFile
from heliscore.imports.json_rows import JsonRows, NotRead
from heliscore.imports.row_formats import GivenScore
from heliscore.imports.value_rules import Rule, Seen, choose_rule, describe


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("[]", []),
        ('[{"a": 0.10}, {"b": "é]"}]', [{"a": Decimal("0.10")}, {"b": "é]"}]),
        ('[\n{"a": 1},\n]\n', [{"a": 1}]),
        ('{"meta": {"data": [1]}, "data": [{"a": 1}], "next": null}', [{"a": 1}]),
        ('{"items": [1]}\n{"items": [2], "x": 1}', [1, 2]),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_json_is_read_by_and_by(
    text: str, rows: list[Any], piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "_PIECE_BYTES", piece_bytes)
    assert list(JsonRows(io.BytesIO(text.encode()))) == rows


@pytest.mark.parametrize(
    "text", ["[", '[{"a": 1}', "[1 2]", "12", '{"data" [1]}', '{"data": [1]', "[" * 100_000]
)
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(NotRead):
        list(JsonRows(io.BytesIO(text.encode())))


def test_forms_are_recognised(tmp_path: Path) -> None:
    lines = b'{"a": 1}\n\n{"a": 2}\nno\n'
    contents = {
        "lines": (lines, "JSONL", [(1, {"a": 1}), (3, {"a": 2}), (4, {})]),
        "zipped": (gzip.compress(lines), "JSONL", [(1, {"a": 1}), (3, {"a": 2}), (4, {})]),
        "array": (b'[{"a": 1},\n{"a": 2}]', "JSON", [(1, {"a": 1}), (2, {"a": 2})]),
        "page": (json.dumps({"data": [{"a": 1}]}).encode(), "JSON", [(1, {"a": 1})]),
        "pretty": (json.dumps({"items": [{"a": 1}]}, indent=2).encode(), "JSON", [(1, {"a": 1})]),
        "table": (
            b'\xef\xbb\xbfa,b\r\n1,"x\ny"\r\n\r\n2\r\n',
            "CSV",
            [(1, {"a": "1", "b": "x\ny"}), (2, {"a": "2"})],
        ),
    }
    for name, (text, form, rows) in contents.items():
        (tmp_path / name).write_bytes(text)
        file = RowFile(tmp_path / name)
        assert (file.form, [(row.number, row.values) for row in file]) == (form, rows), name
        assert file.position == file.size_bytes


def test_fields_are_found_along_paths_and_in_cells() -> None:
    sources = {
        "id": ("missing", "meta.request.id"),
        "cell": ("json.a.b",),
        "name": ("=fixed",),
        "nan": ("n",),
    }
    values = {"meta": {"request": {"id": "r"}}, "json": '{"a": {"b": 1}}', "n": float("nan")}
    assert [Found(sources, values).get(name) for name in sources] == ["r", 1, "fixed", None]


def test_values_are_converted() -> None:
    assert as_json('{""a"": ""b""}') == {"a": "b"}
    assert [
        as_time(value) for value in (1767225600, "1767225600.5", 1767225600000, "2026-01-01 00:00:00.001")
    ] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.500000Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.001000Z",
    ]
    assert [as_boolean(value) for value in ("True", 1, Decimal("0.0"), "0")] == [True, True, False, False]
    for value in ("yes", 2, None):
        with pytest.raises(Unfit):
            as_boolean(value)


def given(value: Any, label: str | None = None) -> GivenScore:
    return GivenScore("a", value, label)


CATEGORY = {"type": "category", "labels": {"2": "good"}}


@pytest.mark.parametrize(
    ("values", "scale", "definition", "taken", "words"),
    [
        ([1, "3", 2.0], None, None, [1, 3, 2], "1 to 3 as they are"),
        ([0, 0.285, Decimal("0.015")], None, None, [0, 28, 2], "0 to 0.285 times 100, rounded"),
        ([1, 0], None, None, [1, 0], "0 to 1 as they are: --scale if these are fractions"),
        ([1, 2.5], None, None, [1, None], "1 to 2.5 as they are, without those that are not whole"),
        ([1, 2.5], 10, None, [10, 25], "1 to 2.5 times 10, rounded"),
        ([True, "false"], None, None, [True, False], "true and false as they are"),
        ([0.0, 1], None, {"type": "boolean"}, [False, True], "0.0 to 1 as true and false"),
        ([float("inf"), "x", None, 2**60], None, None, [None] * 4, f"{2**60} to {2**60} as they are"),
    ],
)
def test_one_rule_for_the_values_of_a_name(
    values: list[Any], scale: int | None, definition: dict[str, Any] | None, taken: list[Any], words: str
) -> None:
    seen = Seen()
    for value in values:
        seen.add(given(value))
    rule = choose_rule(seen, scale, definition)
    assert ([apply(rule, given(value)) for value in values], describe(rule, seen)) == (taken, words)


def apply(rule: Rule, score: GivenScore) -> int | bool | None:
    try:
        return rule.apply(score)
    except Unfit:
        return None


def test_labels_are_those_of_the_definition() -> None:
    seen = Seen()
    for label in ("good", "odd"):
        seen.add(given(None, label))
    rule = choose_rule(seen, None, CATEGORY)
    assert [apply(rule, given(None, label)) for label in ("good", "odd", None)] == [2, None, None]
    assert describe(rule, seen) == "good = 2, odd = no value"

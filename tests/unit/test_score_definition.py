"""Definitions of scores: which values break one, and which definitions contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from heliscore.domain.errors import FieldError
from heliscore.domain.score import FEEDBACK, MAX_VALUE, MIN_VALUE, Score
from heliscore.domain.score_definition import (
    Breach,
    BreachKind,
    ScoreDefinition,
    find_breach,
    find_breaches,
    find_definition_errors,
    find_value_error,
)

ANY_INTEGER = ScoreDefinition("a", "integer")
PERCENT = ScoreDefinition("a", "integer", min=0, max=100, labels={0: "wrong", 100: "right"})
COST = ScoreDefinition("a", "integer", min=1)
LOSS = ScoreDefinition("a", "integer", max=-1)
BOOLEAN = ScoreDefinition("a", "boolean", labels={0: "no", 1: "yes"})
GRADE = ScoreDefinition("a", "category", labels={0: "wrong", 1: "partly", 2: "right"})
MANY = ScoreDefinition("a", "category", labels={n: f"label {n}" for n in range(12)})
LONG = ScoreDefinition("a", "category", labels={0: "x" * 100})

GRADES = "must be one of 0 (wrong), 1 (partly), 2 (right), got"


@pytest.mark.parametrize(
    ("definition", "value", "kind", "message"),
    [
        (ANY_INTEGER, MIN_VALUE, None, None),
        (ANY_INTEGER, MAX_VALUE, None, None),
        (ANY_INTEGER, True, "wrong_type", "must be an integer, got true"),
        (PERCENT, 0, None, None),
        (PERCENT, 50, None, None),
        (PERCENT, 100, None, None),
        (PERCENT, -1, "too_low", "must be at least 0, got -1"),
        (PERCENT, 140, "too_high", "must be at most 100, got 140"),
        (PERCENT, False, "wrong_type", "must be an integer, got false"),
        (COST, 1, None, None),
        (COST, MIN_VALUE, "too_low", f"must be at least 1, got {MIN_VALUE}"),
        (LOSS, -1, None, None),
        (LOSS, 0, "too_high", "must be at most -1, got 0"),
        (BOOLEAN, True, None, None),
        (BOOLEAN, False, None, None),
        (BOOLEAN, 1, "wrong_type", "must be a boolean, got 1"),
        (BOOLEAN, 95, "wrong_type", "must be a boolean, got 95"),
        (GRADE, 0, None, None),
        (GRADE, 2, None, None),
        (GRADE, 7, "not_a_label", f"{GRADES} 7"),
        (GRADE, -1, "not_a_label", f"{GRADES} -1"),
        (GRADE, True, "wrong_type", f"{GRADES} true"),
        (
            MANY,
            12,
            "not_a_label",
            f"must be one of {', '.join(f'{n} (label {n})' for n in range(10))} and 2 more, got 12",
        ),
        (LONG, 1, "not_a_label", f"must be one of 0 ({'x' * 40}…), got 1"),
    ],
)
def test_value_breaks_a_definition(
    definition: ScoreDefinition, value: int | bool, kind: BreachKind | None, message: str | None
) -> None:
    score = Score(int(value), isinstance(value, bool))
    assert (find_breach(definition, score), find_value_error(definition, score)) == (kind, message)


def test_breaches_are_those_of_names_with_a_definition() -> None:
    definitions = {
        "low": ScoreDefinition("low", "integer", max=1, enforce="on"),
        "grade": ScoreDefinition("grade", "category", labels={0: "bad"}, enforce="warn"),
        "good": ScoreDefinition("good", "boolean", enforce="on"),
    }
    scores = {
        "free": Score(9, False),
        "low": Score(2, False),
        "grade": Score(3, False),
        "good": Score(1, True),
    }
    assert find_breaches(definitions, scores) == (
        Breach("low", "too_high", "must be at most 1, got 2", "on"),
        Breach("grade", "not_a_label", "must be one of 0 (bad), got 3", "warn"),
    )
    assert find_breaches({}, scores) == ()


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"type": "integer"}, []),
        ({"type": "integer", "min": 5, "max": 5, "labels": {5: "five"}}, []),
        ({"type": "integer", "min": 6, "max": 5}, [("min", "must be at most max, which is 5, got 6")]),
        ({"type": "boolean", "labels": {0: "no", 1: "yes"}}, []),
        (
            {"type": "boolean", "min": 0, "max": 1},
            [
                ("min", "must be null: a boolean has no bounds"),
                ("max", "must be null: a boolean has no bounds"),
            ],
        ),
        (
            {"type": "boolean", "labels": {2: "both"}},
            [("labels.2", "must be of 0 or 1: a boolean has no other values")],
        ),
        ({"type": "category"}, [("labels", "must not be empty: a category is one of its labels")]),
        ({"type": "category", "labels": {-1: "worse", 0: "same"}}, []),
        (
            {"type": "category", "min": 0, "max": 1, "labels": {-1: "a", 0: "b", 2: "c"}},
            [
                ("labels.-1", "must be of a value between min and max"),
                ("labels.2", "must be of a value between min and max"),
            ],
        ),
        (
            {"type": "category", "labels": {0: "", 1: "x" * 256, 2: "a\nb"}},
            [
                ("labels.0", "must not be empty"),
                ("labels.1", "must have at most 255 characters, got 256"),
                ("labels.2", "must not contain control characters"),
            ],
        ),
        (
            {"type": "category", "labels": {0: "same", 1: "same"}},
            [("labels.1", "must not be the label of 0 too")],
        ),
        ({"type": "integer", "labels": {n: str(n) for n in range(100)}}, []),
        (
            {"type": "integer", "labels": {n: str(n) for n in range(101)}},
            [("labels", "at most 100 in a definition, got 101")],
        ),
        ({"type": "integer", "unit": "x" * 50, "description": "x" * 2000}, []),
        (
            {"type": "integer", "unit": "x" * 51, "description": "x" * 2001},
            [
                ("unit", "must have at most 50 characters, got 51"),
                ("description", "must have at most 2000 characters, got 2001"),
            ],
        ),
        ({"name": FEEDBACK, "type": "boolean"}, []),
        ({"name": FEEDBACK, "type": "integer"}, [("type", f'must be "boolean" for {FEEDBACK}')]),
    ],
)
def test_definition_contradicts_itself(fields: dict[str, Any], errors: list[tuple[str, str]]) -> None:
    found = find_definition_errors(ScoreDefinition(**{"name": "a", **fields}))
    assert found == [FieldError(path, message) for path, message in errors]

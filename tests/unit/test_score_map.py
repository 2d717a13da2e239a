from __future__ import annotations

import re

import msgspec
import pytest
from heliscore.api.helicone.score_endpoints import decode_scores
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import find_name_error
from heliscore.domain.score import FEEDBACK, MAX_VALUE, MIN_VALUE, Score
from hypothesis import example, given
from hypothesis import strategies as st

from tests.ways_out import MULTIPLY, NO_POINT

SUFFIX = "-hcone-bool"


def body(scores: object) -> bytes:
    return msgspec.json.encode({"scores": scores})


def errors(sent: bytes) -> list[FieldError]:
    with pytest.raises(InvalidInput) as raised:
        decode_scores(sent)
    return list(raised.value.errors)


@pytest.mark.parametrize(
    ("sent", "scores"),
    [
        (b'{"scores":{}}', {}),
        (b'{"scores":{"accuracy":95}}', {"accuracy": Score(95, False)}),
        (b'{"scores":{"a":-0}}', {"a": Score(0, False)}),
        (b'{"scores":{"a":9223372036854775807}}', {"a": Score(MAX_VALUE, False)}),
        (b'{"scores":{"a":-9223372036854775808}}', {"a": Score(MIN_VALUE, False)}),
        (b'{"scores":{"yes":true,"no":false}}', {"yes": Score(1, True), "no": Score(0, True)}),
        (b' {"scores" :\n{"a":1}}\t', {"a": Score(1, False)}),
        (
            b'{"scores":{"accuracy":95,"relevance":87,"has_citations":true}}',
            {"accuracy": Score(95, False), "relevance": Score(87, False), "has_citations": Score(1, True)},
        ),
    ],
)
def test_score_map_is_decoded(sent: bytes, scores: dict[str, Score]) -> None:
    assert decode_scores(sent) == scores


@pytest.mark.parametrize("name", ["a", "a" * 255, " ", "a.b", "größe 🙂", "bool", "-hcone-bool-", "'\"\\"])
def test_name_is_taken_verbatim(name: str) -> None:
    assert decode_scores(body({name: 3})) == {name: Score(3, False)}


@pytest.mark.parametrize(("value", "stored"), [(True, 1), (False, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("cited" + SUFFIX, "cited"),
        ("a" * 255 + SUFFIX, "a" * 255),
        (FEEDBACK, FEEDBACK),
        (FEEDBACK + SUFFIX, FEEDBACK),
    ],
)
def test_boolean_name_makes_a_boolean_score(sent: str, name: str, value: object, stored: int) -> None:
    assert decode_scores(body({sent: value})) == {name: Score(stored, True)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "95.5",
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        ("95.0", f"expected an integer or a boolean, got 95.0; {NO_POINT}"),
        ("1e2", f"expected an integer or a boolean, got 100.0; {NO_POINT}"),
        ('"5"', 'expected an integer or a boolean, got "5"'),
        ("null", "expected an integer or a boolean, got null"),
        ("[1]", "expected an integer or a boolean, got an array"),
        ('{"value":1}', "expected an integer or a boolean, got an object"),
        ("9223372036854775808", "expected an integer of at most 64 bits"),
        ("-9223372036854775809", "expected an integer of at most 64 bits"),
        ("1" + 40 * "0", "expected an integer of at most 64 bits"),
    ],
)
def test_value_is_refused(value: str, message: str) -> None:
    sent = f'{{"scores":{{"accuracy":{value}}}}}'.encode()
    assert errors(sent) == [FieldError("scores.accuracy", message)]


@pytest.mark.parametrize("value", [2, -1, 95, MAX_VALUE])
@pytest.mark.parametrize("name", ["cited" + SUFFIX, FEEDBACK, FEEDBACK + SUFFIX])
def test_boolean_name_refuses_other_integers(name: str, value: int) -> None:
    assert errors(body({name: value})) == [
        FieldError(f"scores.{name}", f"expected true, false, 1 or 0, got {value}")
    ]


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("", "scores.", "the name must not be empty"),
        (SUFFIX, f"scores.{SUFFIX}", "the name must not be empty"),
        ("a" * 256, f"scores.{'a' * 80}…", "the name must have at most 255 characters, got 256"),
        ("a\0b", r"scores.a\u0000b", "the name must not contain control characters"),
        ("a\n", r"scores.a\u000a", "the name must not contain control characters"),
    ],
)
def test_name_is_refused(name: str, path: str, message: str) -> None:
    assert errors(body({name: 1})) == [FieldError(path, message)]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", FieldError("", "the body is not valid JSON: the body is empty")),
        (b"[]", FieldError("", "expected a JSON object, got an array")),
        (b"null", FieldError("", "expected a JSON object, got null")),
        (b'"scores"', FieldError("", 'expected a JSON object, got "scores"')),
        (b"{}", FieldError("scores", "missing")),
        (
            b'{"scores":null}',
            FieldError("scores", "expected an object, got null"),
        ),
        (
            b'{"scores":[["a",1]]}',
            FieldError("scores", "expected an object, got an array"),
        ),
        (b'{"scores":{},"name":"x"}', FieldError("name", "unknown key; known are scores")),
    ],
)
def test_body_of_another_shape_is_refused(sent: bytes, error: FieldError) -> None:
    assert errors(sent) == [error]


@pytest.mark.parametrize(
    "sent",
    [
        b"{",
        b"hello",
        b'{"scores":{"a":1}} {}',
        b'{"scores":{"a":01}}',
        b'{"scores":{"a":NaN}}',
        b'{"scores":{"a":' + b"[" * 100_000,
        rb'{"scores":{"\ud800":1}}',
        b'{"scores":{"\xff":1}}',
    ],
)
def test_body_that_is_not_json_is_refused(sent: bytes) -> None:
    [error] = errors(sent)
    assert (error.path, error.message.partition(": ")[0]) == ("", "the body is not valid JSON")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5000])
def test_number_that_no_float_holds_is_refused(number: bytes) -> None:
    assert errors(b'{"scores":{"a":' + number + b"}}") == [
        FieldError("", "the body holds a number that is out of range")
    ]


def test_256_scores_are_accepted() -> None:
    assert decode_scores(body({str(n): n for n in range(256)})) == {
        str(n): Score(n, False) for n in range(256)
    }


def test_257_scores_are_refused() -> None:
    assert errors(body({str(n): n for n in range(257)})) == [
        FieldError("scores", "at most 256 in a call, got 257")
    ]


@pytest.mark.parametrize("names", [("cited", "cited" + SUFFIX), ("cited" + SUFFIX, "cited")])
def test_score_sent_under_both_its_names_is_refused(names: tuple[str, str]) -> None:
    assert errors(body(dict.fromkeys(names, 1))) == [
        FieldError(f"scores.{names[1]}", "the same score as cited, which is in this call too")
    ]


def test_score_sent_under_both_its_names_is_refused_beside_a_bad_value() -> None:
    assert errors(body({"cited": 1.5, "cited" + SUFFIX: True})) == [
        FieldError(
            "scores.cited",
            f"expected an integer or a boolean, got 1.5; {MULTIPLY}",
        ),
        FieldError(f"scores.cited{SUFFIX}", "the same score as cited, which is in this call too"),
    ]


def test_every_fault_is_listed() -> None:
    assert errors(b'{"extra":1,"scores":{"a":1,"b":95.5,"":null,"c-hcone-bool":7,"d":"5","e":true}}') == [
        FieldError("extra", "unknown key; known are scores"),
        FieldError(
            "scores.b",
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        FieldError("scores.", "the name must not be empty"),
        FieldError("scores.", "expected an integer or a boolean, got null"),
        FieldError("scores.c-hcone-bool", "expected true, false, 1 or 0, got 7"),
        FieldError("scores.d", 'expected an integer or a boolean, got "5"'),
    ]


def test_refusal_is_one_line_that_counts_the_faults() -> None:
    with pytest.raises(InvalidInput) as raised:
        decode_scores(b'{"scores":{"accuracy":95.5,"relevance":null}}')
    assert (
        str(raised.value)
        == f"scores.accuracy: expected an integer or a boolean, got 95.5; {MULTIPLY} (and 1 more)"
    )


NAMES = st.text(min_size=1, max_size=255).filter(
    lambda name: find_name_error(name) is None and not name.endswith(SUFFIX) and name != FEEDBACK
)
VALUES = st.integers(MIN_VALUE, MAX_VALUE) | st.booleans()
BAD_VALUES = (
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
    | st.integers(max_value=MIN_VALUE - 1)
    | st.integers(min_value=MAX_VALUE + 1)
)


@given(st.dictionaries(NAMES, VALUES, max_size=20))
def test_any_valid_map_decodes_to_itself(scores: dict[str, int | bool]) -> None:
    assert decode_scores(body(scores)) == {
        name: Score(int(value), isinstance(value, bool)) for name, value in scores.items()
    }


@given(st.dictionaries(NAMES, VALUES, max_size=20), NAMES, BAD_VALUES)
@example({}, "x" * 81, 95.0)
def test_any_map_with_a_bad_value_is_refused_naming_it(
    scores: dict[str, int | bool], name: str, bad: object
) -> None:
    encoded = body(scores | {name: bad})
    [error] = errors(encoded)
    shown = name if len(name) <= 80 else name[:80] + "…"
    assert error.path == f"scores.{shown}"
    assert re.match(
        "expected an integer (or a boolean, got .+|of at most 64 bits)$", error.message, re.DOTALL
    )

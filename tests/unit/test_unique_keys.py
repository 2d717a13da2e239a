from __future__ import annotations

import json
from typing import Any

import pytest
from heliscore.api.http.json_codec import decode_unique
from heliscore.domain.errors import FieldError, InvalidInput
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.sampled_from('ab:" \\\n'), max_size=4)
values = st.one_of(texts, st.integers(), st.none())


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects as tuples of their pairs, so that a key can come twice."""
    return st.lists(st.tuples(texts, values), max_size=4).map(tuple)


sent_objects = objects(st.recursive(values, lambda inner: objects(inner) | st.lists(inner, max_size=2)))


def written(value: Any, colon: str) -> str:
    match value:
        case tuple():
            pairs = (json.dumps(key) + colon + written(one, colon) for key, one in value)
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(written(one, colon) for one in value) + "]"
    return json.dumps(value)


def repeats(value: Any) -> bool:
    match value:
        case tuple():
            keys = [key for key, _ in value]
            return len(set(keys)) < len(keys) or any(repeats(one) for _, one in value)
        case list():
            return any(map(repeats, value))
    return False


@given(sent_objects, st.sampled_from([":", ": ", " :", "\n: "]))
def test_key_given_twice_is_refused_wherever_it_is(sent: Any, colon: str) -> None:
    body = written(sent, colon).encode()
    if repeats(sent):
        with pytest.raises(InvalidInput, match="given twice in one object"):
            decode_unique(body)
    else:
        assert decode_unique(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (rb'{"a": 1, "a": 1}', "a"),
        (rb'{"a": 1, "\u0061": 1}', "a"),
        (rb'{"filter": {"scores": {"acc": {"gte": 95}, "acc": {"lte": 99}}}}', "acc"),
        (rb'{"a": [{"gte": 12345678901234567, "gte": ":"}]}', "gte"),
    ],
)
def test_repeated_key_is_named(body: bytes, path: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        decode_unique(body)
    assert raised.value.errors == (FieldError(path, "given twice in one object"),)

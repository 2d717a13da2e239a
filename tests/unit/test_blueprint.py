"""Whatever was logged has a blueprint."""

from __future__ import annotations

import json

import pytest
from heliscore.api.promptlayer.blueprint import make_blueprint
from hypothesis import given
from hypothesis import strategies as st

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
KEYS = st.sampled_from(
    ("messages", "role", "content", "type", "system", "text", "contents", "parts", "kwargs")
)
WORDS = st.sampled_from(("chat", "completion", "user", "text"))
BODIES = st.recursive(
    LEAVES | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@given(BODIES, st.dictionaries(KEYS, BODIES, max_size=2))
def test_any_body_has_one(body: object, sent: dict[str, object]) -> None:
    made = json.loads(make_blueprint(json.dumps(body).encode(), json.dumps(sent).encode(), "p", "m"))
    assert made["prompt_template"]["type"] in ("chat", "completion")
    model = made["metadata"]["model"]
    assert (model["provider"], model["name"], type(model["parameters"])) == ("p", "m", dict)


@pytest.mark.parametrize("body", [b"[" * 400 + b"]" * 400, b'{"messages":' * 5_000 + b"1" + b"}" * 5_000])
def test_deep_body_has_one(body: bytes) -> None:
    assert json.loads(make_blueprint(body, None, None, None))["prompt_template"]["type"] == "chat"

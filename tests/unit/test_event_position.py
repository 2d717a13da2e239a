from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from heliscore.domain.event_position import Position, decode_position, next_transaction

AT = datetime(2026, 11, 29, 7, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "position",
    [
        Position("0123abcd", AT, "10:10:"),
        Position("0123abcd", AT, "10:20:11,12,19", "15:30:", 4711),
    ],
)
def test_position_is_read_as_it_was_written(position: Position) -> None:
    encoded = position.encode()
    assert encoded.replace("-", "").replace("_", "").isalnum()
    assert decode_position(encoded) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123abcd/1/10:10:/",
        "0123abcg/1/10:10://0",
        "0123abcd/1/0:10://0",
        "0123abcd/1/11:10://0",
        "0123abcd/1/10:20:9//0",
        "0123abcd/1/10:20:20//0",
        "0123abcd/1/10:20:12,11//0",
        "0123abcd/1/10:20:11,11//0",
        "0123abcd/1/10:20:11,//0",
        "0123abcd/1/10:20//0",
        "0123abcd/1/10:9223372036854775808://0",
        "0123abcd/1/10:20:/x/0",
        "0123abcd/1/10:20://9223372036854775808",
        "0123abcd/\u0661/10:20://0",
    ],
)
def test_what_postgresql_would_not_take_is_no_position(text: str) -> None:
    assert decode_position(base64.urlsafe_b64encode(text.encode()).decode()) is None


def test_transaction_that_comes_next() -> None:
    assert next_transaction("10:20:11") == 20

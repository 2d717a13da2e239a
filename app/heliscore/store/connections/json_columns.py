"""JSON columns as they are read: in UTF-8, as they go out again, and no more than a process can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heliscore.domain.errors import AnswerTooLarge

if TYPE_CHECKING:
    import asyncpg

_VERSION: Final = b"\x01"
"""With which PostgreSQL's binary form of a jsonb begins; its text follows."""


class JsonReader:
    """Reads the JSON columns of a connection for one caller after the other, each up to so many bytes."""

    def __init__(self) -> None:
        self._limit_bytes = self._left = 0

    def begin(self, limit_bytes: int) -> None:
        """Read for another caller."""
        self._limit_bytes = self._left = limit_bytes

    async def attach(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Have every jsonb of a connection read as bytes of UTF-8, and taken as text. What reads more than
        the limit raises AnswerTooLarge; asyncpg drops the rest, and the connection is as good as before."""
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=_encode, decoder=self._decode, format="binary"
        )

    def _decode(self, sent: bytes) -> bytes:
        self._left -= len(sent)
        if self._left < 0:
            raise AnswerTooLarge(self._limit_bytes)
        return sent[len(_VERSION) :]


def _encode(text: str) -> bytes:
    return _VERSION + text.encode()

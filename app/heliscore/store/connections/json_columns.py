"""Read JSON columns as bytes of UTF-8, as they are sent on, and no more than a process can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heliscore.domain.errors import AnswerTooLarge

if TYPE_CHECKING:
    import asyncpg

_VERSION: Final = b"\x01"
"""The first byte of PostgreSQL's binary form of a jsonb; its text follows."""


class JsonReader:
    """Decodes the JSON columns of a connection, up to a number of bytes for each caller in turn."""

    def __init__(self) -> None:
        self._limit_bytes = self._left = 0

    def begin(self, limit_bytes: int) -> None:
        """Begin to count for the next caller."""
        self._limit_bytes = self._left = limit_bytes

    async def attach(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Make a connection return every jsonb as bytes of UTF-8, and take it as a string. A statement that
        returns more than the limit raises AnswerTooLarge; asyncpg drops the rest, and the connection stays
        usable."""
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

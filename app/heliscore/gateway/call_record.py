"""Keeps what is logged of a forwarded call, and makes its row when the call is over."""

from __future__ import annotations

import time
import zlib
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers

from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.request_state import Forwarding, Services
from heliscore.api.shared.computed_costs import with_cost
from heliscore.api.shared.log_metadata import Metadata
from heliscore.api.shared.logged_bodies import decode_logged, storable
from heliscore.api.shared.logged_call import ProviderCall, make_logged_request
from heliscore.api.shared.logged_exchange import read_response
from heliscore.domain.errors import InvalidInput, Unavailable
from heliscore.observability import metrics
from heliscore.store.request_log import LoggedRequest

CLIENT_LEFT: Final = -3
TIMED_OUT: Final = -2
BROKEN: Final = -100
"""Statuses in the log of calls that have no whole answer, as Helicone writes them."""

CUT_PROPERTY: Final = "Heliscore-Response-Cut"
"""Marks a row of which only the beginning of the answer is stored."""

_TEXTS: Final = ("text/", "application/")
_NO_TEXTS: Final = ("application/octet-stream", "application/zip", "application/pdf")
_GZIP: Final = zlib.MAX_WBITS | 16


class Exchange(msgspec.Struct):
    """A call as it went, with nothing in it but bytes and names: it may be read in another process."""

    organization_id: int
    request_id: str
    provider: str
    url: str
    headers: Headers
    """The caller's."""

    body: bytes
    secrets: tuple[str, ...]
    """Keys that an answer may repeat."""

    started_at: datetime
    copy: bytearray = msgspec.field(default_factory=bytearray)
    answer_type: str = ""
    answer_encoding: str = ""
    is_cut: bool = False
    status: int = BROKEN
    first_byte_ms: float | None = None
    duration_ms: float = 0.0


class CallRecord:
    """Notes a call while it is forwarded; what `finish` hands over is logged by the LateLog."""

    def __init__(self, services: Services, forwarding: Forwarding, exchange: Exchange) -> None:
        self._services = services
        self._forwarding = forwarding
        self._exchange = exchange
        self._begun = time.perf_counter()
        self._is_finished = False
        self._limit = services.settings.max_body_bytes
        metrics.add_gateway_calls(1)

    @property
    def request_id(self) -> str:
        return self._exchange.request_id

    @property
    def size_bytes(self) -> int:
        return len(self._exchange.body) + len(self._exchange.copy)

    def begin_answer(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Note the head of the answer."""
        found = {name: value.decode("latin-1").strip().lower() for name, value in headers}
        self._exchange.answer_type = found.get(b"content-type", "")
        self._exchange.answer_encoding = found.get(b"content-encoding", "")

    def take(self, piece: bytes) -> None:
        """Keep a piece of the answer, as far as there is room: too little never ends the answer."""
        exchange = self._exchange
        if exchange.first_byte_ms is None:
            exchange.first_byte_ms = self._elapsed_ms()
        if exchange.is_cut:
            return
        size = len(exchange.copy) + len(piece)
        try:
            self._forwarding.copy_budget.hold(size, exchange.organization_id)
            exchange.is_cut = size > self._limit
        except Unavailable:
            exchange.is_cut = True
        exchange.copy += piece[: self._limit - len(exchange.copy)] if size > self._limit else piece

    def finish(self, status: int) -> None:
        """Note the end, and have the call logged; only the first end counts."""
        if self._is_finished:
            return
        self._is_finished = True
        self._exchange.status = status
        self._exchange.duration_ms = self._elapsed_ms()
        self._forwarding.late_log.add(self)
        metrics.add_gateway_calls(-1)

    async def make(self) -> LoggedRequest:
        """Make the row."""
        row = await self._services.large_work.run(make_row, self._exchange, size_bytes=self.size_bytes)
        return await with_cost(row, self._services.prices)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._begun) * 1000


def make_row(exchange: Exchange) -> LoggedRequest:
    """Make the row of a call by the same rules as that of a log call."""
    request, raw = _read_request(exchange)
    response = read_response(msgspec.Raw(b"null"), _read_answer(exchange))
    asked = request if isinstance(request, dict) else {}
    is_stream = asked.get("stream") is True or exchange.answer_type.startswith("text/event-stream")
    user = asked.get("user")
    call = ProviderCall(
        organization_id=exchange.organization_id,
        request_id=exchange.request_id,
        provider=exchange.provider,
        url=exchange.url,
        request=request,
        request_json=raw,
        response=response,
        status=exchange.status,
        started_at=exchange.started_at,
        ended_at=exchange.started_at + timedelta(milliseconds=exchange.duration_ms),
        first_token_ms=exchange.first_byte_ms if is_stream else None,
        user_id=storable(user) if isinstance(user, str) and user else None,
        properties={CUT_PROPERTY: "true"} if exchange.is_cut else {},
    )
    return make_logged_request(call, Metadata(exchange.headers, {}, FieldErrors()))


def _read_request(exchange: Exchange) -> tuple[Any, msgspec.Raw]:
    """The body, decoded and as JSON; null for one that is no text."""
    try:
        value, body = decode_logged(exchange.body)
        return value, msgspec.Raw(body)
    except InvalidInput:
        text = _text_of(exchange.body, exchange.headers.get("content-type", ""), "strict")
        return text, msgspec.Raw(msgspec.json.encode(text and storable(text)))


def _read_answer(exchange: Exchange) -> str | None:
    data = bytes(exchange.copy)
    match exchange.answer_encoding:
        case "gzip":
            data = _unzipped(data)
        case "" | "identity":
            pass
        case _:
            return None
    text = _text_of(data, exchange.answer_type, "replace")
    for secret in exchange.secrets if text else ():
        text = text.replace(secret, "…") if text else text
    return text


def _unzipped(data: bytes) -> bytes:
    """As far as it goes: the answer may have broken off. A thousandth of it may be there, and no more than
    sixteen times as much is read."""
    try:
        return zlib.decompressobj(wbits=_GZIP).decompress(data, 16 * len(data) + 65_536)
    except zlib.error:
        return b""


def _text_of(data: bytes, type_: str, errors: str) -> str | None:
    """The text in a body; None for sounds, pictures and forms with files."""
    if not data or (type_ and not type_.startswith(_TEXTS)) or type_.startswith(_NO_TEXTS):
        return None
    try:
        return data.decode(errors=errors)
    except UnicodeDecodeError:
        return None

"""`POST /v1/scores/batch`: many score maps in one call, as JSON or as a stream of lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import COUNT, Schema, closed_object, struct_schema
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.request_state import client_went_away
from heliscore.api.http.value_types import ANY, choice, list_of
from heliscore.api.native.score_scale import SCALE
from heliscore.api.native.upload_items import ITEM, MAX_LINE_BYTES, Item, check_items, read_items, split_lines
from heliscore.api.native.upload_lines import cut, has_lines, items_as_lines, stream_lines, without_pauses
from heliscore.api.native.upload_spool import IN_MEMORY_BYTES, Spool
from heliscore.api.native.uploads import (
    CALL,
    MAX_LISTED_ERRORS,
    AtomicUpload,
    PartialUpload,
    PartialUploadInOne,
    UploadError,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import origin_of
from heliscore.domain.author import Origin
from heliscore.domain.errors import TooSlow
from heliscore.observability.event_loop import Turn
from heliscore.store import table_statistics
from heliscore.store.definition_cache import Definitions
from heliscore.store.upload_turns import lock_uploads

_ITEMS: Final = required("items", ValueType({"type": "array", "items": ITEM.schema}, list_of(ANY).read))
_MODE: Final = optional("mode", choice(("atomic", "partial"), name="BatchMode"), default="atomic")
_BODY: Final = make_body(
    _ITEMS,
    _MODE,
    example={
        "items": [{"requestId": "req_abc123def456", "scores": {"accuracy": 95}}],
        "mode": "partial",
    },
)
_QUERY: Final = Query(_MODE, SCALE)

_MOST_HELD_BYTES: Final = MAX_LINE_BYTES + IN_MEMORY_BYTES
"""The memory that a stream of lines takes: one line, and as much as is not spooled to a file."""

_ReadItems = Callable[[], AsyncIterator[list[Item]]]
"""Reads an upload from its beginning."""


async def post_batch(call: ApiCall) -> Response:
    """Add score maps to many requests in one call.

    The body is JSON, or any number of lines of `{"requestId", "scores", "author"}` with Content-Type
    `application/x-ndjson` and the mode in the query (`?mode=partial`); gzip is supported. `atomic`, the
    default: if any item has an error, nothing is stored and the answer is 400. `partial`: valid items are
    stored and the first 1000 invalid ones are listed; if reading fails midway (broken gzip), the items before
    stay stored. Of two items for one score the later counts. With `?scale=100` scores may be fractions. The
    requests of an atomic upload are locked while it is written: posts to them wait for it. So are those of a
    partial upload with an Idempotency-Key: its valid items are stored together, when the last one has come.
    """
    query = _QUERY.read(call.request.query_params)
    mode, scale = query[_MODE], query[SCALE]
    if not has_lines(call.request):
        body = await call.large_body()
        mode, encoded = await call.services.large_work.run(_read_json, body, mode, size_bytes=len(body))
        return await _store(call, mode, lambda: read_items(split_lines(cut(encoded)), scale))
    lines = split_lines(stream_lines(call, _MOST_HELD_BYTES))
    if mode == "partial" and call.digest is None:
        return await _store(call, mode, lambda: read_items(without_pauses(lines), scale))
    async with Spool() as spool:
        async for some in without_pauses(lines):
            await spool.add(some)
        return await _store(call, mode, lambda: read_items(split_lines(spool.pieces()), scale))


def _read_json(body: bytes, mode: str) -> tuple[str, bytes]:
    """The mode, of the query where the body has none, and the items, a line each. Raises InvalidInput."""
    raw = decode(body)
    if isinstance(raw, dict) and raw.get(_MODE.key) is None:
        raw = raw | {_MODE.key: mode}
    read = _BODY.read(raw)
    return read[_MODE], items_as_lines(body)


async def _store(call: ApiCall, mode: str, read: _ReadItems) -> Response:
    """Store the good items, or all or none. Raises InvalidInput with the errors of an atomic upload."""
    definitions = await call.services.definitions.find(call.principal.organization_id)
    if mode == "partial" and call.digest is None:
        async with PartialUpload(call) as upload:
            async for chunk in read():
                definitions = await call.services.definitions.find(call.principal.organization_id)
                await upload.add(chunk, definitions)
        return upload.answer()
    # Once: what the check takes must not be rejected by a definition that changes before it is written.
    checked = await _check(call, read(), definitions)
    if mode == "partial":
        return await _store_in_one(call, read, checked, definitions, PartialUploadInOne)
    checked.errors.raise_any()
    return await _store_in_one(call, read, checked, definitions, AtomicUpload)


async def _store_in_one(
    call: ApiCall,
    read: _ReadItems,
    checked: _Checked,
    definitions: Definitions,
    upload_class: type[AtomicUpload],
) -> Response:
    """Store an upload in one transaction."""
    organization_id, services = call.principal.organization_id, call.services

    def raise_if_gone() -> None:
        if client_went_away(call.request.scope):
            raise ClientDisconnect

    async with services.upload_turns.turn(organization_id, raise_if_gone):
        async with services.uploads.connection() as connection:
            # Outside the transaction: the ids are remembered, also when it is rolled back.
            await services.ids.names.ensure(connection, organization_id, checked.names)
            await services.ids.origins.ensure(connection, organization_id, checked.origins)
            async with connection.transaction():
                await lock_uploads(connection, organization_id)
                async with upload_class(call, connection) as upload:
                    async for chunk in read():
                        raise_if_gone()
                        await upload.add(chunk, definitions)
                upload.raise_any()
                await table_statistics.analyze(connection, upload.score_count)
        return upload.answer()


class _Checked(msgspec.Struct, frozen=True):
    """What the items of an upload have in them."""

    names: set[str]
    origins: set[Origin]
    errors: FieldErrors


async def _check(call: ApiCall, chunks: AsyncIterator[list[Item]], definitions: Definitions) -> _Checked:
    checked, turn = _Checked(set(), set(), FieldErrors()), Turn()
    async for chunk in chunks:
        for item in check_items(chunk, definitions):
            checked.names.update(item.scores)
            checked.origins.add(origin_of(call, CALL, item.author))
            place = f"items[{item.index}]"
            for field_error in item.errors:
                path = f"{place}.{field_error.path}" if field_error.path else place
                checked.errors.add(path, field_error.message)
            await turn.give_way()
    return checked


_ERRORS: Final[Schema] = {
    "type": "array",
    "maxItems": MAX_LISTED_ERRORS,
    "items": struct_schema(UploadError),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/scores/batch",
        post_batch,
        "w",
        "Scores",
        query=_QUERY.fields,
        body=_BODY,
        data=closed_object(
            {"accepted": COUNT, "rejected": COUNT, "errors": _ERRORS, "warnings": _ERRORS},
            ("accepted", "rejected", "errors"),
        ),
        data_example={"accepted": 1, "rejected": 0, "errors": []},
        errors=(TooSlow,),
    ),
)

"""Follows a call: its keys and options are checked, it is sent to the provider, and the answer passed on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from heliscore.api.http.auth import address_of
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.request_body import read_body
from heliscore.api.http.request_state import Forwarding, Services
from heliscore.domain.errors import (
    FieldError,
    InvalidInput,
    NotFound,
    ProviderFailed,
    ProviderTooSlow,
    Unauthenticated,
)
from heliscore.domain.times import now
from heliscore.gateway.call_options import CallOptions, Retries, read_options
from heliscore.gateway.call_record import BROKEN, CLIENT_LEFT, CallRecord, Exchange
from heliscore.gateway.caller_keys import read_keys, server_key_header
from heliscore.gateway.client_watch import ClientWatch
from heliscore.gateway.forwarded_answer import ForwardedAnswer, status_of
from heliscore.gateway.forwarded_headers import request_headers
from heliscore.gateway.provider_targets import SETTING, Target, find_target
from heliscore.outbound.provider_client import (
    NotSendable,
    ProviderClient,
    ProviderFailure,
    ProviderRequest,
    ProviderTimeout,
)

if TYPE_CHECKING:
    from heliscore.outbound.provider_connections import ProviderAnswer

_KEYS_SETTING: Final = "HELISCORE_GATEWAY_KEYS"


async def identify(request: Request, services: Services) -> ApiCall:
    """Take our key from where Helicone's gateways take it."""
    key = read_keys(request.headers).ours
    return ApiCall(request, services, await services.keyring.principal(key, address_of(request)))


async def forward(call: ApiCall, provider: str, prefix: str) -> Response:
    """Send a call to the provider under the path without the prefix, and answer as it does."""
    forwarding = call.services.forwarding
    if forwarding is None:
        raise NotFound(f"the gateway is off: {SETTING} names no provider")
    headers = call.request.headers
    options = read_options(headers)
    target = find_target(headers, provider, forwarding.origins)
    keys = _provider_keys(call.request, target, forwarding)
    body = await read_body(call.request, call.services.settings.max_body_bytes, forwarding.body_budget)
    path = call.request.scope["path"].removeprefix(prefix)
    exchange = Exchange(
        organization_id=call.principal.organization_id,
        request_id=options.request_id,
        provider=target.provider,
        url=target.origin + path,
        headers=headers,
        body=body,
        secrets=tuple(value.split()[-1] for value in keys.values()),
        started_at=now(),
    )
    query = call.request.scope["query_string"]
    request = ProviderRequest(
        call.request.method,
        target.origin,
        path.encode("latin-1") + (b"?" + query if query else b""),
        request_headers(headers.raw, keys),
        _with_usage(body) if options.wants_usage and target.provider != "ANTHROPIC" else body,
        options.is_patient,
    )
    record = CallRecord(call.services, forwarding, exchange)
    return await _send(request, forwarding.providers, options, record, ClientWatch(call.request.scope))


def _provider_keys(request: Request, target: Target, forwarding: Forwarding) -> dict[str, str]:
    """The provider's key of the caller, or else the operator's. Raises Unauthenticated."""
    keys = dict(read_keys(request.headers).providers)
    if not keys:
        if (key := forwarding.keys.get(target.origin)) is None:
            raise Unauthenticated(f"the call has no provider's key, and {_KEYS_SETTING} has none for it")
        keys = server_key_header(target.provider, key)
    return keys


class _Streamed(msgspec.Struct):
    stream: msgspec.Raw = msgspec.Raw(b"false")


def _with_usage(body: bytes) -> bytes:
    """Ask a stream for its usage; any other body stays as it is."""
    try:
        if bytes(msgspec.json.decode(body, type=_Streamed).stream) != b"true":
            return body
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    options = asked.get("stream_options")
    asked["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return msgspec.json.encode(asked)


async def _send(
    request: ProviderRequest,
    providers: ProviderClient,
    options: CallOptions,
    record: CallRecord,
    watch: ClientWatch,
) -> Response:
    try:
        answer = await _send_repeatedly(request, providers, options.retries)
    except ProviderFailure as failure:
        watch.stop()
        record.finish(status_of(failure))
        _raise(failure, record.request_id)
    except asyncio.CancelledError:
        record.finish(CLIENT_LEFT if watch.has_left else BROKEN)
        if watch.take_cancellation():
            raise ClientDisconnect from None
        raise
    except BaseException:
        record.finish(BROKEN)
        raise
    return ForwardedAnswer(answer, record, watch)


async def _send_repeatedly(
    request: ProviderRequest, providers: ProviderClient, retries: Retries
) -> ProviderAnswer:
    """The first answer that is neither 429 nor 5xx, or the last one."""
    for attempt in range(retries.count):
        answer = await providers.send(request)
        if answer.status != 429 and answer.status < 500:
            return answer
        await answer.close()
        await asyncio.sleep(retries.pause_s(attempt))
    return await providers.send(request)


def _raise(failure: ProviderFailure, request_id: str) -> NoReturn:
    match failure:
        case NotSendable():
            raise InvalidInput([FieldError("", str(failure))]) from None
        case ProviderTimeout():
            raise ProviderTooSlow(str(failure), request_id) from None
    raise ProviderFailed(str(failure), request_id) from None

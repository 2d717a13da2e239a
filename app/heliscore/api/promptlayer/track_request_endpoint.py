"""`POST /track-request`: a call of a model's API as PromptLayer's clients made it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw
from starlette.responses import Response

from heliscore.api.http.body_fields import Values, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import NULL
from heliscore.api.http.value_types import ANY, STRING, list_of
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.field_types import (
    GROUP,
    NUMBER_FROM_1,
    SHORT_STRING,
    make_tracking_body,
)
from heliscore.api.promptlayer.logged_fields import (
    ENDED_AT,
    LOGGED_FIELDS,
    METADATA,
    NULL_JSON,
    STARTED_AT,
    STATUS,
    TAGS,
    decode_log_call,
    encoded,
    hash_of,
    kept_json,
    prompt_columns,
    time_columns,
)
from heliscore.api.promptlayer.tracking_endpoints import check_group
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.computed_costs import with_cost
from heliscore.api.shared.logged_bodies import storable_json
from heliscore.api.shared.logged_exchange import exchange_columns, read_response
from heliscore.providers.families.promptlayer import said_in, says_something
from heliscore.store import prompt_tracking as store
from heliscore.store.request_log import LoggedRequest

_GROUP_ID: Final = optional("group_id", NUMBER_FROM_1)
_ARGS: Final = optional("args", list_of(ANY))
_KWARGS: Final = optional(
    "kwargs",
    ANY,
    description="`model` is the model and `messages` the input; what is not an object is all input",
)
_RESPONSE: Final = optional(
    "request_response",
    ANY,
    description="The output; token counts are read from its `usage`, or else from that of `kwargs`.",
)
_PROVIDER_TYPE: Final = optional("provider_type", SHORT_STRING)
_PROMPT_VERSION: Final = optional("prompt_version", NUMBER_FROM_1)

_BODY: Final = make_tracking_body(
    _GROUP_ID,
    required("function_name", STRING),
    optional("span_id", STRING),
    _ARGS,
    _KWARGS,
    _RESPONSE,
    STARTED_AT,
    ENDED_AT,
    _PROMPT_VERSION,
    _PROVIDER_TYPE,
    *LOGGED_FIELDS,
    name="PromptLayerTrackedRequest",
    example={
        "function_name": "openai.chat.completions.create",
        "provider_type": "openai",
        "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
        "request_response": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        "request_start_time": 1767225600.0,
        "request_end_time": 1767225601.25,
    },
)

_KEPT: Final = ("function_name", "args", "kwargs", "span_id", "error_type", "error_message")


async def track_request(call: ApiCall) -> Response:
    """Log a call of a model's API as it was made, and return the request's id.

    The same body within a minute gets the same id and is stored once. `prompt_blueprint` is always null.
    """
    body, services = await call.large_body(), call.services
    organization_id = call.principal.organization_id
    tracked = await services.large_work.run(_read_call, body, organization_id, size_bytes=len(body))
    request = await with_cost(tracked.request, services.prices)
    async with services.database.connection() as connection:
        if tracked.group_id is not None:
            await check_group(connection, organization_id, tracked.group_id)
        request_id = await store.log_once(
            connection, services.ids, request, {}, origin_of(call, "log"), tracked.body_hash
        )
    return answers.answer(
        "the request is tracked", beside={"request_id": request_id, "prompt_blueprint": None}
    )


class _Tracked(msgspec.Struct, frozen=True):
    request: LoggedRequest
    group_id: int | None
    body_hash: bytes


def _read_call(encoded: bytes, organization_id: int) -> _Tracked:
    body, sent = decode_log_call(_BODY, encoded)
    request = _make_tracked(body, sent, organization_id)
    return _Tracked(request, body[_GROUP_ID], hash_of(b"track-request", sent))


def _make_tracked(body: Values, sent: dict[str, Raw], organization_id: int) -> LoggedRequest:
    metadata = body[METADATA]
    group = {} if body[_GROUP_ID] is None else {GROUP: str(body[_GROUP_ID])}
    response = read_response(sent.get(_RESPONSE.key, NULL_JSON))
    said, beside = _split_arguments(body, sent)
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **time_columns(body),
        **prompt_columns(body, sent, None, body[_PROMPT_VERSION]),
        **exchange_columns(body[_KWARGS], response.value),
        outcome=body[STATUS] or "SUCCESS",
        provider=body[_PROVIDER_TYPE],
        tags=body[TAGS],
        properties=encoded(group if metadata is None else metadata | group),
        promptlayer=kept_json(beside, _KEPT),
        request_body=storable_json(said),
        response_body=response.stored,
    )


def _split_arguments(body: Values, sent: dict[str, Raw]) -> tuple[Raw, dict[str, Raw]]:
    """What the model was to read, and what else was sent.

    Messages alone are stored as they are. Where other arguments were said too, such as a system prompt or
    LangChain's positional messages, the arguments are stored that hold them; without messages, all are.
    """
    args = sent.get(_ARGS.key, NULL_JSON) if says_something(body[_ARGS]) else None
    kwargs = sent.get(_KWARGS.key, NULL_JSON)
    try:
        arguments = msgspec.json.decode(kwargs, type=dict[str, Raw])
    except msgspec.ValidationError:
        return _as_input(args, kwargs), _without(sent, args, NULL_JSON)
    all_said = args is None and "messages" not in arguments
    names = list(arguments) if all_said else said_in(arguments)
    said = {name: arguments.pop(name) for name in names}
    rest = Raw(msgspec.json.encode(arguments))
    if args is None and names == ["messages"]:
        return said["messages"], _without(sent, args, rest)
    return _as_input(args, Raw(msgspec.json.encode(said))), _without(sent, args, rest)


def _as_input(args: Raw | None, kwargs: Raw) -> Raw:
    return kwargs if args is None else Raw(msgspec.json.encode({"args": args, "kwargs": kwargs}))


def _without(sent: dict[str, Raw], args: Raw | None, kwargs: Raw) -> dict[str, Raw]:
    """What was sent, without the positional arguments that are stored as the input."""
    return sent | {_KWARGS.key: kwargs} | ({} if args is None else {_ARGS.key: NULL_JSON})


ENDPOINTS: Final = tuple(
    answers.endpoint(
        path,
        track_request,
        operation=operation,
        body=_BODY,
        answer=answers.schema({"request_id": answers.ID, "prompt_blueprint": NULL}),
    )
    for path, operation in (("/rest/track-request", None), ("/track-request", "track_request_alias"))
)

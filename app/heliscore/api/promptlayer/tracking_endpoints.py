"""`/rest/track-*` and `/library-track-*`: scores, prompts, metadata and groups of requests."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler, Schema
from heliscore.api.promptlayer import answers, body_schemas
from heliscore.api.promptlayer.field_readers import (
    GROUP,
    decode_call,
    decode_raw,
    read_integer,
    read_properties,
    read_request_id,
    read_score,
    read_text,
)
from heliscore.api.shared.logged_bodies import storable_json
from heliscore.api.shared.score_commands import record, set_properties
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.times import now
from heliscore.store import prompt_tracking as store
from heliscore.store.connections.pool import Connection


async def track_score(call: ApiCall) -> Response:
    """Score a request with an integer from 0 to 100.

    Without a name the score is called `default`. A score of the same name is replaced, others stay. A name
    that ends in `-hcone-bool` is the boolean without that ending, 1 or 0. A request that was never logged
    exists from its first score on.
    """
    fields = decode_call(await call.body())
    request_id = read_request_id(fields)
    # JavaScript has it as `name`, Python as `score_name`: who knows one copies it to the other.
    scores = read_score(fields, "name", "score_name", required=True)
    fields.errors.raise_any()
    await record(call, request_id, scores)
    return answers.answer("the score is stored")


async def track_prompt(call: ApiCall) -> Response:
    """Say which prompt, in which version or under which label, and which input variables made a request.

    Replaces what was said before. Not both a version and a label. Helicone's calls show and filter these as
    `prompt_id`, `prompt_version` (the label where there is no version) and `values`.
    """
    body = await call.body()
    fields = decode_call(body)
    sent = decode_raw(body)
    if _is_shifted(fields.raw):
        fields.raw, sent = _repaired(fields.raw), _repaired(sent)
    request_id = read_request_id(fields)
    name = read_text(fields, "prompt_name", required=True)
    variables = fields.object("prompt_input_variables").raw
    version = read_integer(fields, "version")
    label = read_text(fields, "label")
    if version is not None and label is not None:
        fields.reject("label", "cannot be combined with a version")
    fields.errors.raise_any()
    prompt = store.Prompt(
        name=name or "",
        version=label if version is None else str(version),
        version_number=version,
        variables=storable_json(sent["prompt_input_variables"]) if variables else None,
    )
    await _set_prompt(call, request_id, prompt)
    return answers.answer("the prompt is stored")


def _is_shifted(raw: dict[str, Any]) -> bool:
    """Whether this is the call of the async Python SDK, 1.0.73 to 1.5.16, which passes every argument in the
    place of the one before: the id as the prompt's name, the name as the variables, and so on."""
    match raw:
        case {
            "request_id": bool(),
            "prompt_name": int() | str() as request_id,
            "prompt_input_variables": str(),
            "version": dict(),
        }:
            label_is_version = isinstance(raw.get("label"), int | str | None) and raw.get("label") != ""
            return str(request_id).isdecimal() and label_is_version
    return False


def _repaired(raw: dict[str, Any]) -> dict[str, Any]:
    """Each argument in its own place again; the label, which came first, is lost."""
    return {
        "request_id": raw["prompt_name"],
        "prompt_name": raw["prompt_input_variables"],
        "prompt_input_variables": raw["version"],
        "version": raw.get("label"),
    }


async def _set_prompt(call: ApiCall, request_id: str, prompt: store.Prompt) -> None:
    accept_unknown = call.services.settings.unknown_requests == "accept"
    async with call.services.database.connection() as connection:
        written = await store.set_prompt(
            connection,
            call.principal.organization_id,
            request_id,
            prompt,
            now(),
            accept_unknown=accept_unknown,
        )
    if not written:
        raise NotFound(f"there is no request {request_id}")


async def track_metadata(call: ApiCall) -> Response:
    """Set some of a request's metadata; the rest of it stays.

    Helicone's calls show and filter these as properties. A value that is no text is kept as its JSON text.
    """
    fields = decode_call(await call.body())
    request_id = read_request_id(fields)
    properties = read_properties(fields, "metadata", required=True)
    fields.errors.raise_any()
    await set_properties(call, request_id, properties)
    return answers.answer("the metadata is stored")


async def create_group(call: ApiCall) -> Response:
    """Make a group for requests that belong together, and answer its id."""
    decode_call(await call.body())
    async with call.services.database.connection() as connection:
        group_id = await store.create_group(connection, call.principal.organization_id)
    return answers.answer("the group is made", beside={"id": group_id})


async def track_group(call: ApiCall) -> Response:
    """Put a request into a group, which replaces the one that it was in.

    It is shown as the property `promptlayer_group_id`.
    """
    fields = decode_call(await call.body())
    request_id = read_request_id(fields)
    group_id = read_integer(fields, "group_id", required=True) or 0
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        await refuse_unknown_group(connection, call.principal.organization_id, group_id)
    await set_properties(call, request_id, {GROUP: str(group_id)})
    return answers.answer("the group is stored")


async def refuse_unknown_group(connection: Connection, organization_id: int, group_id: int) -> None:
    """Raises InvalidInput where the organization has no such group."""
    if not await store.has_group(connection, organization_id, group_id):
        raise InvalidInput([FieldError("group_id", f"there is no group {group_id}")])


def _endpoints(
    paths: tuple[str, ...], handler: Handler, body: Schema, example: dict[str, Any], **beside: Schema
) -> tuple[Endpoint, ...]:
    return tuple(
        answers.endpoint(
            path,
            handler,
            body=body,
            body_example=example,
            answer=answers.schema(beside),
            errors=() if handler is create_group else (NotFound,),
        )
        for path in paths
    )


ENDPOINTS: Final = (
    *_endpoints(
        ("/rest/track-score", "/library-track-score"),
        track_score,
        body_schemas.SCORE,
        {"request_id": 1000000000001, "score": 88, "name": "summarization"},
    ),
    *_endpoints(
        ("/rest/track-prompt", "/library-track-prompt"),
        track_prompt,
        body_schemas.PROMPT,
        {
            "request_id": 1000000000001,
            "prompt_name": "my_template",
            "prompt_input_variables": {"topic": "dogs"},
            "version": 2,
        },
    ),
    *_endpoints(
        ("/rest/track-metadata", "/library-track-metadata"),
        track_metadata,
        body_schemas.METADATA,
        {"request_id": 1000000000001, "metadata": {"user_id": "u1"}},
    ),
    *_endpoints(
        ("/rest/track-group", "/track-group"),
        track_group,
        body_schemas.GROUP,
        {"request_id": 1000000000001, "group_id": 1},
    ),
    *_endpoints(("/create-group",), create_group, body_schemas.NOTHING, {}, id=body_schemas.ID),
)

"""`/rest/track-*` and `/library-track-*`: scores, prompts, metadata and groups of requests."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Body, Values, optional, required
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import Schema
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.field_types import (
    GROUP,
    METADATA,
    NUMBER_FROM_1,
    REQUEST_ID,
    SCORE,
    SCORE_NAME,
    SHORT_STRING,
    VARIABLES,
    ScoreFields,
    decode_raw,
    make_tracking_body,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.logged_bodies import storable_json
from heliscore.api.shared.score_commands import record_scores, set_properties
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.times import now
from heliscore.store import prompt_tracking as store
from heliscore.store.connections.pool import Connection


def _check_label(values: Values) -> None:
    if values.find(_VERSION) is not None and values.find(_LABEL) is not None:
        values.reject(_LABEL, "cannot be combined with a version")


_EMPTY_BODY: Final = make_tracking_body(example={})

_SCORE_FIELDS: Final = ScoreFields(
    score=required("score", SCORE),
    # JavaScript sends it as `name`, Python as `score_name`.
    names=(optional("name", SCORE_NAME), optional("score_name", SCORE_NAME)),
)
_SCORE_BODY: Final = make_tracking_body(
    REQUEST_ID,
    _SCORE_FIELDS.score,
    *_SCORE_FIELDS.names,
    check=_SCORE_FIELDS.check,
    name="PromptLayerScoreTracking",
    example={"request_id": 1000000000001, "score": 88, "name": "summarization"},
)

_PROMPT_NAME: Final = required("prompt_name", SHORT_STRING)
_VERSION: Final = optional("version", NUMBER_FROM_1)
_LABEL: Final = optional("label", SHORT_STRING)
_PROMPT_BODY: Final = make_tracking_body(
    REQUEST_ID,
    _PROMPT_NAME,
    VARIABLES,
    _VERSION,
    _LABEL,
    check=_check_label,
    name="PromptLayerPromptTracking",
    example={
        "request_id": 1000000000001,
        "prompt_name": "my_template",
        "prompt_input_variables": {"topic": "dogs"},
        "version": 2,
    },
)

_METADATA: Final = required("metadata", METADATA)
_METADATA_BODY: Final = make_tracking_body(
    REQUEST_ID,
    _METADATA,
    name="PromptLayerMetadataTracking",
    example={"request_id": 1000000000001, "metadata": {"user_id": "u1"}},
)

_GROUP_ID: Final = required("group_id", NUMBER_FROM_1)
_GROUP_BODY: Final = make_tracking_body(
    REQUEST_ID,
    _GROUP_ID,
    name="PromptLayerGroupTracking",
    example={"request_id": 1000000000001, "group_id": 1},
)


async def track_score(call: ApiCall) -> Response:
    """Score a request with an integer from 0 to 100.

    Without a name the score is called `default`. A score of the same name is replaced, others stay. A name
    that ends in `-hcone-bool` is the boolean without that ending, 1 or 0. A request that was never logged
    exists from its first score on.
    """
    body = _SCORE_BODY.decode(await call.body())
    warnings = await record_scores(call, str(body[REQUEST_ID]), _SCORE_FIELDS.read(body), "track")
    return answers.answer("the score is stored", beside=answers.warned(warnings))


async def track_prompt(call: ApiCall) -> Response:
    """Set a request's prompt, its version or label, and its input variables.

    Replaces the prompt that was set before. Either a version or a label. Helicone's calls show and filter
    these as `prompt_id`, `prompt_version` (the label where there is no version) and `values`.
    """
    encoded = await call.body()
    raw = decode(encoded)
    is_shifted = _is_shifted(raw)
    body = _PROMPT_BODY.read(_repaired(raw) if is_shifted else raw)
    sent = decode_raw(encoded)
    sent = _repaired(sent) if is_shifted else sent
    version = body[_VERSION]
    prompt = store.Prompt(
        name=body[_PROMPT_NAME],
        version=body[_LABEL] if version is None else str(version),
        version_number=version,
        variables=storable_json(sent[VARIABLES.key]) if body[VARIABLES] else None,
    )
    await _set_prompt(call, str(body[REQUEST_ID]), prompt)
    return answers.answer("the prompt is stored")


def _is_shifted(raw: Any) -> bool:
    """Whether this is the call of the async Python SDK, 1.0.73 to 1.5.16, which passes every argument one
    place too late: the id as the prompt's name, the name as the variables, and so on."""
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
    """Each argument in its place; the label is lost."""
    return {
        "request_id": raw["prompt_name"],
        "prompt_name": raw["prompt_input_variables"],
        "prompt_input_variables": raw["version"],
        "version": raw.get("label"),
    }


async def _set_prompt(call: ApiCall, request_id: str, prompt: store.Prompt) -> None:
    async with call.services.database.connection() as connection:
        written = await store.set_prompt(
            connection,
            call.principal.organization_id,
            request_id,
            prompt,
            now(),
            accept_unknown=call.services.settings.accepts_unknown_requests,
        )
    if not written:
        raise NotFound(f"there is no request {request_id}")


async def track_metadata(call: ApiCall) -> Response:
    """Set some of a request's metadata; the rest of it stays.

    Helicone's calls show and filter these as properties. A value that is not a string is kept as its JSON
    text.
    """
    body = _METADATA_BODY.decode(await call.body())
    await set_properties(call, str(body[REQUEST_ID]), body[_METADATA])
    return answers.answer("the metadata is stored")


async def create_group(call: ApiCall) -> Response:
    """Create a group for requests that belong together, and return its id."""
    _EMPTY_BODY.decode(await call.body())
    async with call.services.database.connection() as connection:
        group_id = await store.create_group(connection, call.principal.organization_id)
    return answers.answer("the group is made", beside={"id": group_id})


async def track_group(call: ApiCall) -> Response:
    """Put a request into a group, instead of the one that it was in.

    Helicone's calls show it as the property `promptlayer_group_id`.
    """
    body = _GROUP_BODY.decode(await call.body())
    group_id = body[_GROUP_ID]
    async with call.services.database.connection() as connection:
        await check_group(connection, call.principal.organization_id, group_id)
    await set_properties(call, str(body[REQUEST_ID]), {GROUP: str(group_id)})
    return answers.answer("the group is stored")


async def check_group(connection: Connection, organization_id: int, group_id: int) -> None:
    """Raises InvalidInput if the organization has no such group."""
    if not await store.has_group(connection, organization_id, group_id):
        raise InvalidInput([FieldError("group_id", f"there is no group {group_id}")])


def _endpoints(
    paths: tuple[str, ...], handler: Handler, body: Body, **beside: Schema
) -> tuple[Endpoint, ...]:
    return tuple(
        answers.endpoint(
            path,
            handler,
            operation=handler.__name__ + suffix,
            body=body,
            answer=answers.schema(
                beside, {"warnings": envelope.WARNINGS} if handler is track_score else None
            ),
            errors=() if handler is create_group else (NotFound,),
        )
        for path, suffix in zip(paths, ("", "_alias"), strict=False)
    )


ENDPOINTS: Final = (
    *_endpoints(("/rest/track-score", "/library-track-score"), track_score, _SCORE_BODY),
    *_endpoints(("/rest/track-prompt", "/library-track-prompt"), track_prompt, _PROMPT_BODY),
    *_endpoints(("/rest/track-metadata", "/library-track-metadata"), track_metadata, _METADATA_BODY),
    *_endpoints(("/rest/track-group", "/track-group"), track_group, _GROUP_BODY),
    *_endpoints(("/create-group",), create_group, _EMPTY_BODY, id=answers.ID),
)

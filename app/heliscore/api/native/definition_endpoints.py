"""`/v1/score-definitions`: sets and shows what values a score may have, and counts those that do not fit."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, closed_object, list_of_objects, one_of
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared import envelope
from heliscore.api.shared.definition_commands import (
    check_stored,
    find_definition,
    remove_definition,
    set_definition,
)
from heliscore.api.shared.definition_fields import BODY, EXAMPLE, SCHEMA, make_definition
from heliscore.api.shared.score_maps import SCORE_SCHEMA, plain_name
from heliscore.domain.errors import NotFound
from heliscore.domain.score_definition import (
    BREACH_KINDS,
    BreachKind,
    ScoreDefinition,
    find_value_error,
)
from heliscore.store import score_definitions as store
from heliscore.store.score_definitions import BrokenScore

_DEFINITION: Final = optional(
    "definition",
    BODY.value_type,
    description="One to try; by default the one that is stored.",
)
_CHECK_BODY: Final = make_body(
    _DEFINITION, is_unique=True, example={"definition": {"type": "integer", "min": 0, "max": 100}}
)

_KIND_KEYS: Final[dict[BreachKind, str]] = {
    "too_low": "tooLow",
    "too_high": "tooHigh",
    "not_a_label": "notALabel",
    "wrong_type": "wrongType",
}


async def list_definitions(call: ApiCall) -> Response:
    """List the definitions of scores, by name."""
    async with call.services.database.connection() as connection:
        definitions = await store.list_definitions(connection, call.principal.organization_id)
    return envelope.answer(definitions)


async def get_definition(call: ApiCall) -> Response:
    """Show the definition of a score."""
    return envelope.answer(await find_definition(call, _name(call)))


async def put_definition(call: ApiCall) -> Response:
    """Define a score: its type, bounds, direction, unit, labels, and what happens to values that break it.

    Replaces the definition that was there, also its keys that this body leaves out. Stored scores stay as
    they are. With `enforce: "on"` a call that writes a value that breaks the definition is refused with 400,
    with `"warn"` it is carried out and its answer has `warnings`: at once in the service that answers this,
    within a second in others on the same database. The key must be allowed to read and write: one that only
    writes scores does not decide which of them are taken.
    """
    definition = make_definition(_name(call), BODY.decode(await call.body()))
    await set_definition(call, definition)
    return envelope.answer(definition)


async def delete_definition(call: ApiCall) -> Response:
    """Remove the definition of a score; the scores stay, and any value is taken."""
    await remove_definition(call, _name(call))
    return envelope.DONE


async def check_definition(call: ApiCall) -> Response:
    """Count the stored values that break a definition, the stored one or one to try.

    `worst` shows up to 10 of them: those farthest outside of the bounds, then the newest others.
    """
    name, tried = _name(call), _CHECK_BODY.decode(await call.body())[_DEFINITION]
    if tried is None:
        definition = await find_definition(call, name)
    else:
        definition = make_definition(name, tried, "definition.")
    found = await check_stored(call, definition)
    return envelope.answer(
        {
            "checked": found.checked,
            "broken": found.broken,
            "kinds": {_KIND_KEYS[kind]: found.counts.get(kind, 0) for kind in BREACH_KINDS},
            "worst": [_shown(definition, broken) for broken in found.worst],
        }
    )


def _shown(definition: ScoreDefinition, broken: BrokenScore) -> dict[str, object]:
    value, is_boolean = broken.score.value, broken.score.is_boolean
    return {
        "requestId": broken.request_id,
        "value": bool(value) if is_boolean else value,
        "kind": _KIND_KEYS[broken.kind],
        "message": find_value_error(definition, broken.score),
    }


def _name(call: ApiCall) -> str:
    return plain_name(read_path_parameter(call.request, "name"))


_TAG: Final = "Score definitions"
_PATH: Final = "/v1/score-definitions"
_SHOWN: Final = {"name": "accuracy", **EXAMPLE}
_REPORT: Final = {
    "checked": COUNT,
    "broken": COUNT,
    "kinds": closed_object(dict.fromkeys(_KIND_KEYS.values(), COUNT), tuple(_KIND_KEYS.values())),
    "worst": list_of_objects(
        {
            "requestId": STRING,
            "value": SCORE_SCHEMA,
            "kind": one_of(_KIND_KEYS.values()),
            "message": STRING,
        }
    ),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        _PATH,
        list_definitions,
        "r",
        _TAG,
        data={"type": "array", "maxItems": store.MAX_DEFINITIONS, "items": SCHEMA},
        data_example=[_SHOWN],
    ),
    envelope.endpoint(
        "GET",
        f"{_PATH}/{{name}}",
        get_definition,
        "r",
        _TAG,
        data=SCHEMA,
        data_example=_SHOWN,
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "PUT",
        f"{_PATH}/{{name}}",
        put_definition,
        "rw",
        _TAG,
        body=BODY,
        data=SCHEMA,
        data_example=_SHOWN,
    ),
    envelope.endpoint("DELETE", f"{_PATH}/{{name}}", delete_definition, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "POST",
        f"{_PATH}/{{name}}/check",
        check_definition,
        "r",
        _TAG,
        body=_CHECK_BODY,
        data=closed_object(_REPORT, tuple(_REPORT)),
        data_example={
            "checked": 2,
            "broken": 1,
            "kinds": {"tooLow": 0, "tooHigh": 1, "notALabel": 0, "wrongType": 0},
            "worst": [
                {
                    "requestId": "req_abc123def456",
                    "value": 140,
                    "kind": "tooHigh",
                    "message": "must be at most 100, got 140",
                }
            ],
        },
        errors=(NotFound,),
    ),
)

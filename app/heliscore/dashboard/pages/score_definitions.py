"""The pages of score names: a list with their definitions, and a form to define one. They need no script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from heliscore.api.shared.definition_commands import (
    StoredBreaches,
    check_stored,
    remove_definition,
    set_definition,
)
from heliscore.api.shared.definition_fields import BODY, make_definition
from heliscore.api.shared.score_maps import plain_name
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.search_address import read_search
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import find_name_error, shortened
from heliscore.domain.score_definition import BreachKind, ScoreDefinition, find_value_error
from heliscore.store import evaluations
from heliscore.store import score_definitions as store

_PATH: Final = "/scores"
_FORM_PATH: Final = "/scores/definition"

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)

_KINDS: Final[dict[BreachKind, str]] = {
    "too_low": "too low",
    "too_high": "too high",
    "not_a_label": "not a label",
    "wrong_type": "of another type",
}

_NEW: Final = {"type": "integer", "enforce": "off", "precedence": "newest"}


class NamedScore(msgspec.Struct, frozen=True):
    """One row of the list."""

    name: str
    definition: ScoreDefinition | None
    is_used: bool
    """Whether any request has the score."""

    @property
    def href(self) -> str:
        return _href(self.name)

    @property
    def values(self) -> str:
        """The values that the definition allows."""
        return "" if self.definition is None else _describe_values(self.definition)


class Check(msgspec.Struct, frozen=True):
    """The stored values that break a definition."""

    definition: ScoreDefinition
    found: StoredBreaches

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """In words, with the number of values."""
        counts = self.found.counts
        return [(words, counts[kind]) for kind, words in _KINDS.items() if kind in counts]

    @property
    def worst(self) -> list[tuple[str, str | None, str | None]]:
        """Id and address of a request, and what is wrong with its value."""
        search = read_search(QueryParams())
        return [
            (
                one.request_id,
                search.request_href(one.request_id),
                find_value_error(self.definition, one.score),
            )
            for one in self.found.worst
        ]


async def list_scores(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        names = await evaluations.list_names(connection, page.organization_id)
        defined = await store.list_definitions(connection, page.organization_id)
    used = set(names)
    definitions = {definition.name: definition for definition in defined}
    return page.render(
        "pages/score_list.html",
        scores=[
            NamedScore(name, definitions.get(name), is_used=name in used)
            for name in sorted({*used, *definitions})
        ],
        form_path=_FORM_PATH,
        address=str(page.request.base_url).rstrip("/"),
    )


async def show_form(page: PageRequest) -> Response:
    """Show the definition of a name, or an empty form for one without."""
    name = _read_name(page.request.query_params.get("name", ""))
    async with page.services.database.connection() as connection:
        definition = await store.find_definition(connection, page.organization_id, name)
    return await _render(page, name, _NEW if definition is None else _entered(definition))


async def submit_form(page: PageRequest) -> Response:
    """Save or remove a definition, or check stored values against one that is not saved."""
    name = _read_name(page.form.get("name", ""))
    if page.form.get("act") == "remove":
        await remove_definition(page.call, name)
        return redirect(_PATH)
    entered = {key: value.strip().replace("\r\n", "\n") for key, value in page.form.items()}
    try:
        definition = make_definition(name, BODY.read(_read_form(entered)))
        if page.form.get("act") == "check":
            check = Check(definition, await check_stored(page.call, definition))
            return await _render(page, name, entered, check=check)
        await set_definition(page.call, definition)
    except InvalidInput as error:
        return await _render(page, name, entered, status=400, errors=error.errors)
    return redirect(_PATH)


def _read_name(sent: str) -> str:
    """Raises InvalidInput."""
    name = plain_name(sent.strip())
    if error := find_name_error(name):
        raise InvalidInput([FieldError("name", error)])
    return name


def _read_form(entered: Mapping[str, str]) -> dict[str, Any]:
    """The body of the API's call with what was entered. Raises InvalidInput for lines that are no labels."""
    body: dict[str, Any] = {
        key: entered.get(key) or None
        for key in ("type", "direction", "unit", "description", "enforce", "precedence")
    }
    for key in ("min", "max", "scale"):
        text = entered.get(key, "")
        body[key] = int(text) if _INTEGER.fullmatch(text) else text or None
    labels: dict[str, str] = {}
    for line in filter(str.strip, entered.get("labels", "").splitlines()):
        value, equals, label = (part.strip() for part in line.partition("="))
        if not equals:
            raise InvalidInput([FieldError("labels", f'expected "value = label", got "{shortened(line)}"')])
        if labels.setdefault(value, label) != label:
            raise InvalidInput([FieldError("labels", f"{shortened(value)} has two labels")])
    return {**body, "labels": labels}


def _entered(definition: ScoreDefinition) -> dict[str, str]:
    """The fields of the form that make a definition."""
    fields = msgspec.structs.asdict(definition)
    labels = "\n".join(f"{value} = {label}" for value, label in definition.labels.items())
    return {key: "" if value is None else str(value) for key, value in fields.items()} | {"labels": labels}


async def _render(
    page: PageRequest,
    name: str,
    entered: Mapping[str, str],
    *,
    status: int = 200,
    errors: tuple[FieldError, ...] = (),
    check: Check | None = None,
) -> Response:
    by_field: dict[str, list[str]] = {}
    for error in errors:
        field, _, place = error.path.partition(".")
        by_field.setdefault(field, []).append(f"{place}: {error.message}" if place else error.message)
    known = await page.services.definitions.find(page.organization_id)
    return page.render(
        "pages/score_definition.html",
        status=status,
        name=name,
        entered=entered,
        errors={field: "; ".join(messages) for field, messages in by_field.items()},
        check=check,
        is_defined=name in known.by_name,
        path_of_list=_PATH,
        form_path=_FORM_PATH,
    )


def _describe_values(definition: ScoreDefinition) -> str:
    if definition.type == "category":
        return ", ".join(f"{value} {label}" for value, label in definition.labels.items())
    if definition.type == "boolean":
        return "true or false"
    match definition.min, definition.max:
        case None, None:
            return "any integer"
        case low, None:
            return f"{low} or more"
        case None, high:
            return f"{high} or less"
    return f"{definition.min} to {definition.max}"


def _href(name: str) -> str:
    return f"{_FORM_PATH}?name={quote(name, safe='')}"


PAGES = (
    Page(path=_PATH, handler=list_scores, title="Scores"),
    Page(path=_FORM_PATH, handler=show_form),
    Page(method="POST", path=_FORM_PATH, handler=submit_form, permission="rw"),
)

"""The pages of monitors: a list of them, and one with its groups and history. They need no script."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.native import destination_fields
from heliscore.api.native.monitor_commands import find_monitor, remove_monitor, understand
from heliscore.dashboard.pages.monitor_form import FORM_PATH, PATH
from heliscore.dashboard.parts.monitor_links import count_href, value_href, window_href
from heliscore.dashboard.parts.monitor_words import (
    describe_condition,
    describe_watched,
    show_time,
    show_value,
)
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.request_links import worst_first
from heliscore.domain.errors import NotFound
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_schedule import Window, base_window, window_at
from heliscore.domain.monitors.monitor_states import GroupState, State
from heliscore.store import destinations
from heliscore.store import monitors as store
from heliscore.store.monitors import StoredChange, StoredMonitor

_ID: Final = "monitorId"
_MAX_CHANGES: Final = 100
_MAX_SHOWN: Final = 200
"""To make a page of a thousand would hold the event loop for more than a tenth of a second."""

_ORDER: Final[tuple[State, ...]] = ("firing", "error", "no_data", "ok")
_WORDS: Final[dict[State, str]] = {"ok": "ok", "firing": "firing", "no_data": "no data", "error": "error"}
_LOOKS: Final[dict[State, str]] = {"ok": "is-good", "firing": "is-bad", "no_data": "", "error": "is-warn"}


class ShownState(msgspec.Struct, frozen=True):
    """A state as a chip."""

    state: State

    @property
    def words(self) -> str:
        return _WORDS[self.state]

    @property
    def look(self) -> str:
        return _LOOKS[self.state]


class ShownGroup(msgspec.Struct, frozen=True):
    """How one group stands."""

    definition: Definition
    state: GroupState
    sort: str
    """The worst first, where that is known."""

    @property
    def chip(self) -> ShownState:
        return ShownState(self.state.state)

    @property
    def value(self) -> str:
        return show_value(self.state.value, self.definition)

    @property
    def base_value(self) -> str:
        return "" if self.state.base_value is None else show_value(self.state.base_value, self.definition)

    @property
    def requests_href(self) -> str:
        """The requests of the last window."""
        return window_href(self.definition, self.state.group, self._window)

    @property
    def value_href(self) -> str:
        return value_href(self.definition, self.state.group, self._window, self.sort)

    @property
    def base_href(self) -> str:
        window = base_window(self.definition, self._window) or self._window
        return value_href(self.definition, self.state.group, window, self.sort)

    @property
    def count_href(self) -> str:
        return count_href(self.definition, self.state.group, self._window)

    @property
    def _window(self) -> Window:
        return window_at(self.definition, self.state.at)


class ShownChange(msgspec.Struct, frozen=True):
    """An entry of the history."""

    change: StoredChange
    href: str
    """Of the requests that it is about; empty where they cannot be known: what was watched before the monitor
    was changed."""

    @property
    def chip(self) -> ShownState | None:
        return ShownState(self.change.state) if self.change.state else None


class ShownMonitor(msgspec.Struct, frozen=True):
    """A monitor for people."""

    stored: StoredMonitor
    definition: Definition
    sort: str = ""
    """Of the requests behind it."""

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def href(self) -> str:
        return f"{PATH}/{self.stored.id}"

    @property
    def form_href(self) -> str:
        return f"{FORM_PATH}?id={self.stored.id}"

    @property
    def watched(self) -> str:
        return describe_watched(self.definition)

    @property
    def condition(self) -> str:
        return describe_condition(self.definition)

    @property
    def times(self) -> str:
        return f"{show_time(self.definition.window)}, every {show_time(self.definition.every)}"

    @property
    def chip(self) -> ShownState:
        return ShownState(self.stored.state)

    @property
    def groups(self) -> list[ShownGroup]:
        """Those that fire first, then by name."""
        shown = [ShownGroup(self.definition, state, self.sort) for state in self.stored.stand.states]
        return sorted(
            shown,
            key=lambda one: (one.state.state != "firing", one.state.group is None, one.state.group or ""),
        )

    @property
    def firing(self) -> list[str]:
        """The names of the groups that fire."""
        names = [state.group for state in self.stored.stand.states if state.state == "firing"]
        return ["without a value" if name is None else name for name in names]

    @property
    def evaluated_at(self) -> datetime | None:
        """The end of the last period; None before the first one."""
        return max((state.at for state in self.stored.stand.states), default=None)


async def list_monitors(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        found = await store.list_monitors(connection, page.organization_id)
        to = await destinations.list_destinations(connection, page.organization_id, destination_fields.KINDS)
    found.sort(key=lambda stored: _ORDER.index(stored.state))
    shown = [
        ShownMonitor(stored, definition)
        for stored in found[:_MAX_SHOWN]
        if (definition := understand(stored)) is not None
    ]
    return page.render(
        "pages/monitor_list.html",
        monitors=shown,
        more=len(found[_MAX_SHOWN:]),
        destinations=[destination_fields.shown(one) for one in to],
        form_path=FORM_PATH,
    )


async def show_monitor(page: PageRequest) -> Response:
    sent = read_path_parameter(page.request, _ID)
    async with page.services.database.connection() as connection:
        stored = await find_monitor(connection, page.organization_id, sent)
        changes = await store.list_changes(connection, page.organization_id, stored.id, None, _MAX_CHANGES)
    definition = understand(stored)
    if definition is None:
        raise NotFound("the monitor is of another version of the service")
    known = await page.services.definitions.find(page.organization_id)
    return page.render(
        "pages/monitor.html",
        monitor=ShownMonitor(stored, definition, worst_first(definition.score or "", known.by_name)),
        changes=[_show_change(change, stored, definition) for change in changes],
        path_of_list=PATH,
    )


def _show_change(change: StoredChange, stored: StoredMonitor, definition: Definition) -> ShownChange:
    is_of_this = stored.updated_at == stored.created_at or change.at > stored.updated_at
    is_known = change.state is not None and is_of_this
    window = window_at(definition, change.at)
    return ShownChange(change, value_href(definition, change.group, window) if is_known else "")


async def submit_monitor(page: PageRequest) -> Response:
    """Remove a monitor."""
    await remove_monitor(page.call, read_path_parameter(page.request, _ID))
    return redirect(PATH)


PAGES = (
    Page(path=PATH, handler=list_monitors, title="Monitors"),
    Page(path=f"{PATH}/{{{_ID}}}", handler=show_monitor),
    Page(method="POST", path=f"{PATH}/{{{_ID}}}", handler=submit_monitor, permission="rw"),
)

"""The pages of destinations of events: a list, one with its deliveries, and one delivery. They need no
script."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, get_args
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from starlette.responses import Response

from heliscore.api.native import destination_commands as commands
from heliscore.api.native import destination_fields as fields
from heliscore.api.native.destination_commands import Tested
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.settings_sections import DESTINATIONS
from heliscore.domain.destination import DeliveryState, Destination
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.store import deliveries as store
from heliscore.store import destinations
from heliscore.store.deliveries import ShownDelivery

_ONE: Final = f"{DESTINATIONS}/{{destinationId}}"
_DELIVERY: Final = f"{_ONE}/deliveries/{{deliveryId}}"

_MAX_DELIVERIES: Final = 50
_MAX_BODY: Final = 100_000
_OLD_SECRET_FOR: Final = timedelta(days=1)

_LOOKS: Final[dict[DeliveryState, str]] = {"waiting": "is-warn", "delivered": "is-good", "parked": "is-bad"}
_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)


class ShownDestination(msgspec.Struct, frozen=True):
    """A destination for people."""

    destination: Destination

    @property
    def href(self) -> str:
        return destination_href(self.destination.id)

    @property
    def form_href(self) -> str:
        return f"{DESTINATIONS}/form?{urlencode({'id': str(self.destination.id)})}"

    @property
    def fields(self) -> dict[str, object]:
        """As the API shows it."""
        return fields.shown(self.destination)

    @property
    def sends(self) -> str:
        """What is sent there."""
        sent: list[str] = [*self.destination.events]
        if self.destination.digest is not None:
            sent.append(f"a {self.destination.digest} digest")
        return ", ".join(sent)

    @property
    def state(self) -> str:
        if self.destination.disabled_at is not None:
            return "paused"
        return "failing" if self.destination.failing_since else "ok"

    @property
    def look(self) -> str:
        return {"paused": "is-bad", "failing": "is-warn", "ok": "is-good"}[self.state]


def destination_href(id_: UUID) -> str:
    return f"{DESTINATIONS}/{id_}"


async def list_destinations(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        found = await destinations.list_destinations(connection, page.organization_id, fields.KINDS)
    return page.render(
        "pages/destination_list.html",
        destinations=[ShownDestination(one) for one in found],
        form_path=f"{DESTINATIONS}/form",
        address=str(page.request.base_url).rstrip("/"),
    )


async def show(page: PageRequest) -> Response:
    return await show_destination(page, await commands.find_destination(page.call))


async def show_destination(
    page: PageRequest,
    destination: Destination,
    *,
    secret: str | None = None,
    tested: Tested | None = None,
    trouble: str | None = None,
) -> Response:
    """Show a destination with its newest deliveries, and what has just come of a change."""
    state = _read_state(page)
    async with page.services.database.connection() as connection:
        found = await store.list_deliveries(
            connection, page.organization_id, destination.id, state, _read_after(page), _MAX_DELIVERIES + 1
        )
    shown = found[:_MAX_DELIVERIES]
    return page.render(
        "pages/destination.html",
        status=200 if trouble is None else 400,
        shown=ShownDestination(destination),
        deliveries=shown,
        looks=_LOOKS,
        states=_STATES,
        state=state,
        older=_link_older(destination, state, shown[-1]) if len(found) > len(shown) else None,
        secret=secret,
        tested=tested,
        trouble=trouble,
    )


def _read_state(page: PageRequest) -> DeliveryState | None:
    sent = page.request.query_params.get("state")
    return next((state for state in _STATES if state == sent), None)


def _read_after(page: PageRequest) -> UUID | None:
    try:
        return UUID(page.request.query_params.get("after", ""))
    except ValueError:
        return None


def _link_older(destination: Destination, state: DeliveryState | None, last: ShownDelivery) -> str:
    pairs = {"state": state or "", "after": str(last.id)}
    query = urlencode({key: value for key, value in pairs.items() if value})
    return f"{destination_href(destination.id)}?{query}#deliveries"


async def submit_destination(page: PageRequest) -> Response:
    """Send a test, pause or enable, make a new secret, or remove a destination."""
    destination = await commands.find_destination(page.call)
    try:
        match page.form.get("act"):
            case "test":
                tested = await commands.test_destination(page.call, destination)
                return await show_destination(page, destination, tested=tested)
            case "rotate":
                changed = await commands.rotate_secret(page.call, destination, _OLD_SECRET_FOR)
                return await show_destination(page, changed, secret=changed.secret)
            case "remove":
                await commands.remove_destination(page.call, destination.id)
                return redirect(DESTINATIONS)
            case "pause" | "enable" as act:
                change = fields.CHANGE_BODY.read({"enabled": act == "enable"})
                await commands.change_destination(page.call, destination, change)
    except InvalidInput as error:
        return await show_destination(page, destination, trouble=str(error))
    return redirect(destination_href(destination.id))


async def show_delivery(page: PageRequest) -> Response:
    destination = await commands.find_destination(page.call)
    id_ = commands.read_id(page.call, "deliveryId")
    async with page.services.database.connection() as connection:
        found = await store.find_delivery(
            connection, page.organization_id, destination.id, id_, _MAX_BODY + 1
        )
    if found is None:
        raise NotFound(f"there is no delivery {id_}")
    is_cut = len(found.body) > _MAX_BODY
    return page.render(
        "pages/delivery.html",
        shown=ShownDestination(destination),
        delivery=found,
        looks=_LOOKS,
        body=found.body[:_MAX_BODY] if is_cut else msgspec.json.format(found.body, indent=2),
        is_cut=is_cut,
    )


async def resend_delivery(page: PageRequest) -> Response:
    destination = await commands.find_destination(page.call)
    await commands.resend_delivery(page.call, destination, commands.read_id(page.call, "deliveryId"))
    return redirect(f"{destination_href(destination.id)}#deliveries")


PAGES = (
    Page(path=DESTINATIONS, handler=list_destinations),
    Page(path=_ONE, handler=show),
    Page(method="POST", path=_ONE, handler=submit_destination, permission="rw"),
    Page(path=_DELIVERY, handler=show_delivery),
    Page(method="POST", path=_DELIVERY, handler=resend_delivery, permission="rw"),
)

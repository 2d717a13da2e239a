"""The page of what runs here: versions, database, and the settings that matter, without secrets."""

from __future__ import annotations

import platform
from typing import Final

from starlette.responses import Response

from heliscore import __version__
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.settings_sections import ABOUT
from heliscore.domain.times import now
from heliscore.settings import PREFIX, Settings
from heliscore.store import usage
from heliscore.store.connections import server_checks
from heliscore.store.schema.migrations import count_missing, read_migrations

_STARTED: Final = now()
"""The service imports this module as it starts."""


async def show_about(page: PageRequest) -> Response:
    migrations = read_migrations()
    async with page.services.database.connection() as connection:
        server = await server_checks.find_server(connection)
        database = await usage.measure_database(connection)
        missing = await count_missing(connection, migrations)
    return page.render(
        "pages/about.html",
        version=__version__,
        python=platform.python_version(),
        postgres=server.version,
        database=database,
        schema=migrations[-1].name,
        missing=missing,
        started=_STARTED,
        settings=[(PREFIX + name.upper(), words) for name, words in _describe(page.services.settings)],
    )


def _describe(settings: Settings) -> list[tuple[str, str]]:
    """Settings and their values in words. Of those that may hold a secret only whether they are set."""
    origins = settings.gateway_origins
    return [
        ("retention_days", _days(settings.retention_days, "requests are kept for ever")),
        ("history_days", _days(settings.history_days, "replaced scores are kept for ever")),
        ("unknown_requests", f"scores of unknown requests: {settings.unknown_requests}"),
        ("rate_limit", f"{settings.rate_limit:,} calls a minute" if settings.rate_limit else "none"),
        ("max_body_bytes", f"{settings.max_body_bytes:,}"),
        ("max_upload_bytes", f"{settings.max_upload_bytes:,}"),
        ("statement_timeout_ms", f"{settings.statement_timeout_ms:,}"),
        ("pool_size", str(settings.pool_size)),
        ("computed_costs", "costs are computed" if settings.computed_costs else "costs are as sent"),
        ("cors_origins", ", ".join(settings.web_origins) or "no pages of other origins"),
        ("smtp_url", "set: e-mail is sent" if settings.smtp_url else "not set: no e-mail"),
        ("gateway_targets", ", ".join(origins) or "the gateway is off"),
    ]


def _days(days: int | None, for_ever: str) -> str:
    return for_ever if days is None else f"{days:,}"


PAGES = (Page(path=ABOUT, handler=show_about),)

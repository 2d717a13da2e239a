"""The settings of the service, read from `HELISCORE_*` environment variables."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from heliscore.domain.api_key import find_key_error, is_placeholder
from heliscore.domain.errors import InvalidSettings
from heliscore.domain.mail_server import MailServer, read_mail_server
from heliscore.domain.messages import shortened
from heliscore.domain.network_addresses import AllowedHosts, read_allowed_hosts
from heliscore.domain.provider_origins import read_origins, read_provider_keys
from heliscore.domain.web_origins import read_web_origins

PREFIX = "HELISCORE_"

ONE_PROCESS = "a service is one process: run several services on one database behind a proxy"
"""Why a number of workers other than 1 is an error. Two workers took more processor time for a score map than
one process: each half of the posts gets its own group commit."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; a test compares the documented table with these fields."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8585
    database_url: str | None = None
    data_dir: Path = msgspec.field(default_factory=lambda: default_data_dir())
    postgres_bin: Path | None = None
    api_key: str | None = None
    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    unknown_requests: Literal["accept", "reject"] = "accept"
    max_body_bytes: Annotated[int, Meta(ge=1024, le=1 << 30)] = 16 * 1024 * 1024
    max_upload_bytes: Annotated[int, Meta(ge=1024)] = 4 * 1024**3
    pool_size: Annotated[int, Meta(ge=1, le=1000)] = 10
    statement_timeout_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 10_000
    pgbouncer: bool = False
    start_timeout_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    history_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    rate_limit: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    computed_costs: bool = True
    allow_weak_key: bool = False
    outbound_allow: str | None = None
    smtp_url: str | None = None
    gateway_targets: str | None = None
    gateway_keys: str | None = None
    cors_origins: str | None = None

    @property
    def accepts_unknown_requests(self) -> bool:
        """Whether a score or property may be the first that is known of a request."""
        return self.unknown_requests == "accept"

    @property
    def max_held_bytes(self) -> int:
        """The most memory for the bodies of all requests together, and for the JSON that one request reads
        from the database."""
        return max(4 * self.max_body_bytes, 64 * 1024 * 1024)

    @property
    def outbound_allowed(self) -> AllowedHosts:
        """The hosts that may be called although their addresses are not public."""
        return read_allowed_hosts(self.outbound_allow or "")

    @property
    def web_origins(self) -> tuple[str, ...]:
        """The origins of pages that may call the API from a browser, or `*`."""
        return read_web_origins(self.cors_origins or "")

    @property
    def mail_server(self) -> MailServer | None:
        """Where e-mail is handed over; None: nowhere."""
        return None if self.smtp_url is None else read_mail_server(self.smtp_url)

    @property
    def gateway_origins(self) -> tuple[str, ...]:
        """The origins of providers to which calls may be forwarded; none: the gateway is off."""
        return read_origins(self.gateway_targets or "")

    @property
    def provider_keys(self) -> Mapping[str, str]:
        """Keys for calls that bring none, by the provider's origin."""
        return read_provider_keys(self.gateway_keys or "")


def default_data_dir() -> Path:
    """Return the folder of the system for root, and one in the home folder (XDG) for other users."""
    if os.geteuid() == 0:
        return Path("/var/lib/heliscore")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "heliscore"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the `HELISCORE_*` variables; an empty one counts as not set.

    Raises InvalidSettings for an unknown name and for an invalid value.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    given.pop("url", None)  # where `heliscore gate` finds a service
    if given.pop("workers", "1") != "1":
        raise InvalidSettings(f"{PREFIX}WORKERS: {ONE_PROCESS}")
    fields = Settings.__struct_fields__
    for name in given:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            raise InvalidSettings(f"{PREFIX}{name.upper()} is not a setting{hint}")
    try:
        settings = msgspec.convert(given, Settings, strict=False, dec_hook=_read_path)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).rpartition(" - at `$.")
        name = place.rstrip("`")
        raise InvalidSettings(f"{PREFIX}{name.upper()}: {_explain(name, given[name], reason)}") from None
    _check_secrets(settings)
    _check_outside(settings)
    _check_gateway(settings)
    return settings


def _explain(name: str, value: str, reason: str) -> str:
    """Say more than msgspec does. Only numbers, switches and choices get here, no secrets."""
    choices = get_args(get_type_hints(Settings)[name])
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"expected {', '.join(choices[:-1])} or {choices[-1]}, got '{shortened(value)}'"
    return reason if ", got" in reason else f"{reason}, got '{shortened(value)}'"


def _read_path(_: type, value: str) -> Path:
    return Path(value).expanduser().absolute()


def check_exposure(settings: Settings) -> None:
    """Raise InvalidSettings if other machines can reach the service and its API key is a placeholder."""
    if settings.api_key is None or settings.allow_weak_key or _is_loopback(settings.host):
        return
    if is_placeholder(settings.api_key):
        raise InvalidSettings(
            f"{PREFIX}API_KEY looks like a placeholder, and other machines can call at {settings.host}: "
            f"choose another (`heliscore keys create` makes one), or set {PREFIX}ALLOW_WEAK_KEY=true"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_secrets(settings: Settings) -> None:
    # Neither value may be repeated in a message: a DSN holds a password.
    if settings.database_url is not None and not settings.database_url.startswith(
        ("postgresql://", "postgres://")
    ):
        raise InvalidSettings(f"{PREFIX}DATABASE_URL: expected postgresql://user:password@host:port/database")
    if settings.api_key is not None and (field_error := find_key_error(settings.api_key)):
        raise InvalidSettings(f"{PREFIX}API_KEY: {field_error}")


def _check_outside(settings: Settings) -> None:
    for name, read in (
        ("OUTBOUND_ALLOW", lambda: settings.outbound_allowed),
        ("CORS_ORIGINS", lambda: settings.web_origins),
        ("SMTP_URL", lambda: settings.mail_server),  # its messages repeat nothing: it holds a password
    ):
        try:
            read()
        except ValueError as error:
            raise InvalidSettings(f"{PREFIX}{name}: {error}") from None


def _check_gateway(settings: Settings) -> None:
    """The messages repeat nothing: both settings may hold keys, one of them by mistake."""
    for name, read in (
        ("GATEWAY_TARGETS", lambda: settings.gateway_origins),
        ("GATEWAY_KEYS", lambda: settings.provider_keys),
    ):
        try:
            read()
        except ValueError:
            expected = "https://api.openai.com" + ("=<key>" if name == "GATEWAY_KEYS" else "")
            raise InvalidSettings(
                f"{PREFIX}{name}: expected entries such as {expected}, separated by commas"
            ) from None
    if not settings.provider_keys.keys() <= set(settings.gateway_origins):
        raise InvalidSettings(f"{PREFIX}GATEWAY_KEYS: has a key of an origin that is no target")

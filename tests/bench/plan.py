"""How much is measured, and how long: the full run takes about 10 minutes, the quick one about 1."""

from __future__ import annotations

import time
from typing import Final

import click
import msgspec


class BenchError(click.ClickException):
    """The benchmark cannot go on; the message says what is missing or broken."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts of one run. Everything is measured in rounds, the rivals taking turns within each."""

    sizes: tuple[int, ...]
    """Requests in the databases that are searched, rising."""

    rounds: int
    post_s: int
    """Seconds of load of one rival in one round; one more, before, is not counted."""

    connections: tuple[int, ...]
    bulk_posts: int
    """Score maps in one upload."""

    bulk_rounds: int
    search_rounds: int
    search_s: float
    """Seconds for one shape on one side in one round."""

    upserts: int
    """Single scores at random before the bytes on disk are counted a second time."""


FULL: Final = Plan(
    sizes=(100_000, 1_000_000),
    rounds=5,
    post_s=3,
    connections=(1, 8, 64, 256),
    bulk_posts=60_000,
    bulk_rounds=4,
    search_rounds=3,
    search_s=0.7,
    upserts=1_000_000,
)

QUICK: Final = Plan(
    sizes=(100_000,),
    rounds=1,
    post_s=1,
    connections=(1, 64),
    bulk_posts=10_000,
    bulk_rounds=2,
    search_rounds=1,
    search_s=0.2,
    upserts=50_000,
)

SATURATION: Final = 64
"""The number of connections at which all rivals are compared."""

_started = time.monotonic()


def progress(message: str) -> None:
    """Say on stderr what is done now, and how long the run has taken."""
    click.echo(f"{time.monotonic() - _started:6.1f} s  {message}", err=True)

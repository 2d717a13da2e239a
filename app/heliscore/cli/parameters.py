"""Checks of command-line arguments."""

from __future__ import annotations

from datetime import datetime

import click

from heliscore.domain.author import Author
from heliscore.domain.author import read_author as read
from heliscore.domain.times import read_time


def utf8(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Accept a string that the database can hold. Raises BadParameter."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8") from None
    return text


def read_author(_: click.Context, __: click.Parameter, text: str | None) -> Author | None:
    """Read `judge:relevance-judge@2026-11`. Raises BadParameter."""
    if text is None:
        return None
    author = read(text)
    if isinstance(author, str):
        raise click.BadParameter(author)
    return author


def read_time_option(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """Read an ISO 8601 date or date-time, UTC without a zone. Raises BadParameter."""
    if text is None:
        return None
    time = read_time(text)
    if time is None:
        raise click.BadParameter("expected an ISO 8601 date or date-time")
    return time

"""Checks of command-line arguments."""

from __future__ import annotations

import click


def utf8(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Accept a string that the database can hold. Raises BadParameter."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8") from None
    return text

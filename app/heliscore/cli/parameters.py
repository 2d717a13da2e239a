"""What commands are given, checked."""

from __future__ import annotations

import click


def utf8(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Take a text that the database can hold."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8") from None
    return text

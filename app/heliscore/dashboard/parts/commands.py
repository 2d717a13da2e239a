"""The question of a page as a command for a shell, so that a decision can be repeated in a CI."""

from __future__ import annotations

import shlex

import msgspec


def make_curl(path: str, body: object) -> str:
    """A call of the API with that JSON body."""
    sent = shlex.quote(msgspec.json.encode(body).decode())
    return (
        f'curl "$HELISCORE_URL{path}" -H "Authorization: Bearer $HELISCORE_API_KEY" '
        f"-H 'Content-Type: application/json' -d {sent}"
    )

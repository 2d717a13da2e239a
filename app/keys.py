"""API keys: how one looks, how it is kept, what it allows.

The format is Helicone's own (`sk-helicone-` and four groups of seven), but any existing key can be
registered, so that a team that moves here keeps the keys in its clients. Only the SHA-256 of a key is
ever stored: a key has enough entropy (or was chosen by its owner) for a plain hash to be the right tool,
and a look-up by hash takes the same time whatever the key.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Literal

import msgspec

Permissions = Literal["rw", "r", "w"]

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_GROUPS, _GROUP_LENGTH = 4, 7
_MIN_LENGTH, _MAX_LENGTH = 16, 200
_HINT_LENGTH = 4


class Principal(msgspec.Struct, frozen=True):
    """Who is calling: the organization that a good key belongs to and what the key allows."""

    organization_id: int
    key_id: int
    permissions: Permissions
    expires_at: datetime | None

    def may(self, needed: Permissions) -> bool:
        return set(needed) <= set(self.permissions)


def mint_key() -> str:
    """Make a new key from the system's randomness, about 145 bits."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "sk-helicone-" + "-".join(groups)


def hash_key(key: str) -> bytes:
    """The 32 bytes under which a key is stored and found."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def hint_of(key: str) -> str:
    """The end of a key, enough for its owner to recognise it and for nobody else to guess it."""
    return "…" + key[-_HINT_LENGTH:]


def fault_in_key(key: str) -> str | None:
    """Say why a key cannot be registered, or None; the key itself is not in the text."""
    if not _MIN_LENGTH <= len(key) <= _MAX_LENGTH:
        return f"expected {_MIN_LENGTH} to {_MAX_LENGTH} characters, got {len(key)}"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "expected printable ASCII characters without spaces"
    return None

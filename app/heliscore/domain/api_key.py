"""API keys: their format, hash and permissions.

The format is Helicone's (`sk-helicone-` and four groups of seven), but any existing key can be registered, so
that a team that moves here keeps the keys in its clients. Only the SHA-256 of a key is stored: a key has
enough entropy (or was chosen by its owner) for a plain hash. A look-up compares hashes, not keys, so its time
tells a caller nothing: to approach a stored hash byte by byte, it would have to choose the bytes of its own
key's hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from heliscore.domain.author import Author

Permissions = Literal["rw", "r", "w", "f", "q"]
"""`r` reads and queries, `w` writes; `f` only rates requests, which `w` may too: it is for browsers, where
anybody can read a key. `q` only reviews the requests of one queue."""

ALL_PERMISSIONS: Final[tuple[Permissions, ...]] = get_args(Permissions)
PERMISSIONS: Final[tuple[Permissions, ...]] = tuple(one for one in ALL_PERMISSIONS if one != "q")
"""Those that a key can be made with; the others belong to a queue."""

PREFIX: Final = "sk-helicone-"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_GROUPS, _GROUP_LENGTH = 4, 7
_MIN_LENGTH, _MAX_LENGTH = 16, 200
_HINT_LENGTH = 4

_PLACEHOLDER_WORDS = re.compile(
    r"""
    (?: change | replace | insert | put | choose | fill | me | this | here | it | in | with | please
      | placeholder | example | sample | dummy | default | demo | testing | tests? | local | dev | development
      | prod | production | secrets? | password | passwd | pass | admin | root | user | letmein | qwerty
      | your | my | our | own | the | an? | some | any | very | super | api | keys? | apikey | token | bearer
      | auth | access | helicone | heliscore | promptlayer | sk | pk | pl | old | new | long | random | strong
      | string | value | text | foo | bar | baz
    )* [0-9]*
    """,
    re.VERBOSE,
)
_RUNS = "01234567890123456789abcdefghijklmnopqrstuvwxyz 98765432109876543210"
_MIN_UNGUESSED, _MIN_DIFFERENT = 10, 6


class Principal(msgspec.Struct, frozen=True):
    """The caller: the organization that its key belongs to, and what the key permits."""

    organization_id: int
    key_id: int
    permissions: Permissions
    expires_at: datetime | None
    author: Author
    """Of the scores that it sends, where the call does not say."""

    queue_id: str | None = None
    """The queue whose requests are all that the key may review; None of other permissions than `q`."""

    def reviews(self, queue_id: object) -> bool:
        """Whether the key is limited to the queue of that id."""
        return self.queue_id is not None and self.queue_id == queue_id

    def may(self, needed: Permissions) -> bool:
        granted = self.permissions.replace("w", "wf")
        return set(needed) <= set(granted)


def mint_key() -> str:
    """Make a new key from the system's random numbers, with about 145 bits of entropy."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return PREFIX + "-".join(groups)


def hash_key(key: str) -> bytes:
    """Return the 32 bytes under which a key is stored and found."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def hint_of(key: str) -> str:
    """Return the end of a key, by which its owner recognises it and nobody can guess it."""
    return "…" + key[-_HINT_LENGTH:]


def is_placeholder(key: str) -> bool:
    """Whether a key looks like an example from a manual: `changeme-changeme`, `your-api-key`.

    Words that manuals use, runs and repetitions are left out; a good key has something left. This does not
    measure strength: it catches what was never meant to be a secret.
    """
    words = re.split("[^a-z0-9]+", key.lower())
    unguessed = {word for word in words if not _PLACEHOLDER_WORDS.fullmatch(word) and word not in _RUNS}
    rest = "".join(word for word in unguessed if len(set(word)) > len(word) / 4)
    return len(rest) < _MIN_UNGUESSED or len(set(rest)) < _MIN_DIFFERENT


def find_key_error(key: str) -> str | None:
    """Say why a key cannot be registered, or return None; the message does not contain the key."""
    if not _MIN_LENGTH <= len(key) <= _MAX_LENGTH:
        return f"expected {_MIN_LENGTH} to {_MAX_LENGTH} characters, got {len(key)}"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "expected printable ASCII characters without spaces"
    return None

"""Defines the authors of scores: humans, judges, code and API keys."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import msgspec

from heliscore.domain.messages import find_name_error, shortened

AuthorKind: TypeAlias = Literal["human", "judge", "code", "api"]

KINDS: Final[tuple[AuthorKind, ...]] = get_args(AuthorKind)

EXPECTED: Final = "KIND:NAME or KIND:NAME@VERSION, where KIND is human, judge, code or api"
"""The form of an author, as errors name it."""


class Author(msgspec.Struct, frozen=True):
    """Who gave a score. Versions of a judge are different authors."""

    kind: AuthorKind
    name: str
    version: str = ""
    """Empty where there is none; a human has none."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}@{self.version}" if self.version else f"{self.kind}:{self.name}"


class Origin(msgspec.Struct, frozen=True):
    """Where a change of a score comes from: its author, and by which call."""

    author: Author
    call: str
    restored_by: str = ""
    """The author of that call, where it brought back a value of another author's."""


def read_author(text: str) -> Author | str:
    """Read `judge:relevance-judge@2026-11`, or return an error message.

    The version follows the last `@`. A human has no version, since names may be e-mail addresses.
    """
    kind, colon, name = text.strip().partition(":")
    if not colon or kind not in KINDS:
        return f'expected {EXPECTED}, got "{shortened(text)}"'
    name, version = name.strip(), ""
    if kind != "human" and "@" in name:
        name, _, version = name.rpartition("@")
        if error := find_name_error(version):
            return f"the version {error}"
    if error := find_name_error(name):
        return f"the name {error}"
    return Author(kind, name, version)


def make_author(key_id: int, key_name: str, author: str | None) -> Author:
    """The author of an API key's scores, where the call does not say: the key's author, or else the key."""
    given = None if author is None else read_author(author)
    if isinstance(given, Author):
        return given
    return Author("api", key_name if not find_name_error(key_name) else f"key-{key_id}")

"""Raters: what gives a request a rating, a score name or an author's opinion under one."""

from __future__ import annotations

import msgspec

from heliscore.domain.author import AuthorKind


class Rater(msgspec.Struct, frozen=True):
    """A score name, or under it the newest opinion of the authors of a kind, a name and a version."""

    name: str
    kind: AuthorKind | None = None
    author: str | None = None
    version: str | None = None

    @property
    def is_of_authors(self) -> bool:
        return not (self.kind is None and self.author is None and self.version is None)

    def __str__(self) -> str:
        if not self.is_of_authors:
            return self.name
        version = f"@{self.version}" if self.version else ""
        return f"{self.name} by {self.kind or 'any'}:{self.author or 'any'}{version}"

"""Who gives the scores of a call: what its header says, or else its key's author."""

from __future__ import annotations

from typing import Any, Final

from heliscore.api.http.body_fields import ValueType
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.domain.author import EXPECTED, Author, Origin, read_author
from heliscore.domain.errors import FieldError, InvalidInput

HEADER: Final = "Heliscore-Author"
_HEADER: Final = HEADER.lower().encode()


def origin_of(call: ApiCall, name: str, author: Author | None = None) -> Origin:
    """Where the scores of that call come from; `author` is what its body says. Raises InvalidInput."""
    return Origin(author or sent_author(call) or call.principal.author, name)


def sent_author(call: ApiCall) -> Author | None:
    """Who the header says gives the scores. Raises InvalidInput."""
    sent = [value for name, value in call.request.scope["headers"] if name == _HEADER]
    if not sent:
        return None
    author = _read_header(sent)
    if isinstance(author, str):
        raise InvalidInput([FieldError(HEADER, author)])
    return author


def _read_header(sent: list[bytes]) -> Author | str:
    if len(sent) > 1:
        return "sent more than once"
    try:
        return read_author(sent[0].decode())
    except UnicodeDecodeError:
        return "must be UTF-8"


def _read_author(raw: Any, path: str, errors: FieldErrors) -> Author:
    if not isinstance(raw, str):
        errors.add_unexpected(path, f"a string, {EXPECTED}", raw)
        return _NOBODY
    author = read_author(raw)
    if isinstance(author, str):
        errors.add(path, author)
        return _NOBODY
    return author


_NOBODY: Final = Author("api", "")

AUTHOR: Final = ValueType[Author](
    {"type": "string", "pattern": "^(human|judge|code|api):.+$", "maxLength": 520}, _read_author
)
"""An author as clients send it."""

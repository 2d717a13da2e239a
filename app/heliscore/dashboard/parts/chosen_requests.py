"""The requests that a form of the table is about: those that were selected, or all that its search finds."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

import msgspec

from heliscore.dashboard.parts.page_routes import PageRequest
from heliscore.dashboard.parts.search_address import SearchAddress, decode_search, fix_times, read_query
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.filter_tree import Column, Filter, OneOf

_ALL: Final = "all"


class ChosenRequests(msgspec.Struct, frozen=True):
    """The requests of a form."""

    search: SearchAddress
    """That of the table, which is shown again afterwards."""

    fixed: SearchAddress
    """The same, of the time when the form was first sent: a range goes on until now."""

    ids: tuple[str, ...] | None
    """None: all that the search finds."""

    @property
    def tree(self) -> Filter:
        """Raises InvalidInput for a search that has errors."""
        if self.ids is None:
            return decode_search(self.fixed, 1).filter
        return OneOf(Column("request_id"), self.ids)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of a form that goes on with the same requests."""
        pairs = [("search", self.search.query), ("fixed", self.fixed.query)]
        if self.ids is None:
            return [*pairs, ("which", _ALL)]
        return [*pairs, *(("id", id_) for id_ in self.ids)]


def read_chosen(page: PageRequest) -> ChosenRequests:
    """Read the form. Raises InvalidInput where it chooses nothing, and for a search that has errors."""
    search = msgspec.structs.replace(read_query(page.form.get("search", "")), cursor="")
    ids = None
    if page.form.get("which") != _ALL:
        pairs = parse_qsl(page.body.decode("ascii"), keep_blank_values=True, errors="strict")
        ids = tuple(dict.fromkeys(value for key, value in pairs if key == "id" and "\0" not in value))
        if not ids:
            raise InvalidInput([FieldError("", "select at least one request first")])
    elif not page.form.get("fixed"):
        decode_search(search, 1)
    fixed = read_query(page.form["fixed"]) if page.form.get("fixed") else fix_times(search)
    return ChosenRequests(search, fixed, ids)

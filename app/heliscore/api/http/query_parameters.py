"""Reads the parameters of a query as the fields of a body are read."""

from __future__ import annotations

from typing import Any, Final

from starlette.datastructures import QueryParams

from heliscore.api.http.body_fields import Field, Values, object_of
from heliscore.api.http.field_errors import FieldErrors


class Query:
    """The parameters of an endpoint's query; others are ignored."""

    def __init__(self, *fields: Field[Any]) -> None:
        self.fields: Final = fields
        self._type = object_of(*fields, is_open=True)

    def read(self, sent: QueryParams) -> Values:
        """Raises InvalidInput, also for a parameter that is given twice."""
        lists = {field.key: sent.getlist(field.key) for field in self.fields}
        raw = {key: some if len(some) > 1 else some[0] for key, some in lists.items() if some}
        errors = FieldErrors()
        values = self._type.read(raw, "", errors)
        errors.raise_any()
        return values

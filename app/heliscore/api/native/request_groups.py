"""The field of bodies that puts requests into groups, by what a request has itself."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import ValueType, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.value_types import NAME
from heliscore.api.native.comparison_endpoint import GROUPABLE
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.messages import find_name_error

_EXPECTED: Final = f'one of {", ".join(GROUPABLE)} or {{"property": key}}'


def _read_group(raw: object, path: str, errors: FieldErrors) -> Column | Property:
    match raw:
        case str() if raw in GROUPABLE:
            return Column(raw)
        case {"property": str() as key, **rest} if not rest and not find_name_error(key):
            return Property(key)
    errors.add_unexpected(path, _EXPECTED, raw)
    return Column("model")


REQUEST_GROUP: Final = ValueType[Column | Property](
    {"anyOf": [{"enum": list(GROUPABLE)}, object_of(required("property", NAME)).schema]}, _read_group
)

GROUP_FIELD: Final = optional(
    "groupBy", REQUEST_GROUP, description="A column or a property; requests without it are the group null."
)

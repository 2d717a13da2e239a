"""The field of bodies that puts requests into groups, by what a request has itself."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.body_fields import optional
from heliscore.api.shared.group_fields import ITEM

GROUP_FIELD: Final = optional(
    "groupBy", ITEM, description="A column or a property; requests without it are the group null."
)

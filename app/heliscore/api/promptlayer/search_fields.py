"""The fields and operators of PromptLayer's search, and what each filters by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from heliscore.domain.filter_tree import (
    Column,
    Exists,
    Filter,
    HasTag,
    Kind,
    Operator,
    Property,
    Tagged,
)

COLUMNS: Final[dict[str, Column]] = {
    "pl_id": Column("request_id"),
    "engine": Column("model"),
    "provider_type": Column("provider"),
    "input_text": Column("request_body"),
    "output_text": Column("response_body"),
    "prompt_id": Column("prompt_id"),
    "prompt_version_number": Column("prompt_version_number"),
    "input_tokens": Column("prompt_tokens"),
    "output_tokens": Column("completion_tokens"),
    "cost": Column("cost_usd"),
    "latency_ms": Column("latency_ms"),
    "request_start_time": Column("created_at"),
    "request_end_time": Column("response_created_at"),
    "status": Column("outcome"),
}

BODIES: Final = (Column("request_body"), Column("response_body"))
KEYED: Final = ("metadata", "score")

LISTS: Final[dict[str, Callable[[str], Filter]]] = {
    "tags": HasTag,
    "metadata_keys": lambda key: Exists(Property(key)),
}
HAS_ANY: Final[dict[str, Filter]] = {
    "tags": Tagged(),
    "metadata_keys": Exists(Column("properties")),
}

FIELDS: Final = (*COLUMNS, *KEYED, *LISTS)

EQUALITY: Final[dict[str, Operator]] = {"is": "=", "eq": "=", "is_not": "<>", "neq": "<>"}
ORDER: Final[dict[str, Operator]] = {
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "before": "<",
    "after": ">",
}
TEXT: Final[dict[str, Operator]] = {
    "key_equals": "=",
    "key_not_equals": "<>",
    "contains": "contains",
    "key_contains": "contains",
    "not_contains": "not-contains",
}
ENDS: Final[dict[str, Operator]] = {"starts_with": "starts-with", "ends_with": "ends-with"}
ABSENT: Final = ("is_empty", "is_null")
PRESENT: Final = ("is_not_empty", "is_not_null")
OF_LISTS: Final = ("is", "is_not", "contains", "not_contains", "in", "not_in", *ABSENT, *PRESENT)
_OF_TEXTS: Final = (*EQUALITY, *TEXT, *ENDS, "in", "not_in", *ABSENT, *PRESENT)
_OF_NUMBERS: Final = (*EQUALITY, *ORDER, "between", "in", "not_in", *ABSENT, *PRESENT)

OPERATORS_BY_KIND: Final = dict.fromkeys(Kind, _OF_NUMBERS) | {Kind.TEXT: _OF_TEXTS}

OPERATORS: Final = tuple(dict.fromkeys((*_OF_NUMBERS, *_OF_TEXTS, *OF_LISTS)))

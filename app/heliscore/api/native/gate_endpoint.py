"""`POST /v1/evals/gate`: whether a release may go on, by its scores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import struct_schema
from heliscore.api.native.gate_evidence import read_cases
from heliscore.api.native.gate_fields import BODY, read_gate
from heliscore.api.shared import envelope
from heliscore.domain.gate.gate_decisions import decide
from heliscore.domain.gate.gate_markdown import render_markdown
from heliscore.domain.gate.gate_report import GateReport
from heliscore.domain.gate.junit import render_junit

_RENDER: Final[dict[str, Callable[[GateReport], str]]] = {
    "text/markdown": render_markdown,
    "application/xml": render_junit,
}
"""By media type, beside JSON."""


async def decide_gate(call: ApiCall) -> Response:
    """Decide whether the scores of a candidate pass every check.

    A check is about one score: a bound (`atLeast`, `atMost`; with `sure`, of the whole interval), a loss
    against the base that is allowed (`notWorseBy`), or `better` than the base. A check passes, fails or is
    inconclusive; so does the gate, of which one failed check is enough, then one that is inconclusive. What
    cannot be decided never passes. The status is 200 whatever the result. `Accept: text/markdown` answers
    with a table, `application/xml` with JUnit's XML.
    """
    asked = read_gate(call.principal.organization_id, await call.body())
    cases = await read_cases(call.services, asked)
    report = await asyncio.to_thread(decide, asked.gate, cases)
    media_type = _choose(call.request.headers.get("accept", ""))
    if media_type is None:
        return envelope.answer(report)
    return Response(_RENDER[media_type](report), media_type=media_type)


def _choose(accept: str) -> str | None:
    """The media type that an Accept header prefers; None: JSON."""
    best, best_quality = None, 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((_read_quality(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        is_offered = name in _RENDER or name in _JSON
        if is_offered and quality > best_quality:
            best, best_quality = name, quality
    return best if best in _RENDER else None


_JSON: Final = ("application/json", "application/*", "*/*")


def _read_quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/evals/gate",
        decide_gate,
        "r",
        "Evaluation",
        body=BODY,
        data=struct_schema(GateReport),
        formats=tuple(_RENDER),
    ),
)

"""`/v1/queues/{queueId}/agreement` and `/opinions`: how well reviewers agree, and what each of them gave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall, Endpoint
from heliscore.api.http.json_schema import STRING, nullable, whole_object
from heliscore.api.http.query_parameters import Query
from heliscore.api.native.agreement_answers import AGREEMENT, Within, show_agreement
from heliscore.api.native.queue_commands import ID, find_queue
from heliscore.api.native.queue_fields import FORMAT
from heliscore.api.shared import envelope
from heliscore.api.shared.export_stream import MEDIA_TYPES, FileStream, begin_file
from heliscore.api.shared.queue_studies import ScoreStudy, study_queue
from heliscore.domain.errors import NotFound
from heliscore.domain.review_queue import QueueOpinion
from heliscore.exports.opinion_files import HEADER, write_csv, write_lines
from heliscore.store.queue_reviews import read_opinions

_QUERY: Final = Query(FORMAT)

_WITHIN: Final = Within("all", ())
"""The requests of a cell are named: no filter finds opinions."""


async def measure_queue_agreement(call: ApiCall) -> Response:
    """Measure how well the reviewers of a queue agree so far, score by score.

    The answers are those of `POST /v1/evals/agreement`. The raters are the ten who have done most, each with
    their newest opinion. `agreement` is null where there are fewer than two, or where their values are too
    many to be compared.
    """
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
    studies = await study_queue(call.services, call.principal.organization_id, queue)
    # In a thread, as a study of ten has thousands of cells.
    shown = await asyncio.to_thread(_show_all, queue.scores, {one.name: one for one in studies})
    return envelope.answer(shown)


def _show_all(names: Sequence[str], studies: dict[str, ScoreStudy]) -> list[dict[str, Any]]:
    return [{"score": name, "agreement": _show(studies.get(name))} for name in names]


def _show(study: ScoreStudy | None) -> object:
    if study is None or study.agreement is None:
        return None
    return show_agreement(study.agreement, study.raters, _WITHIN)


async def export_queue_opinions(call: ApiCall) -> Response:
    """Export what the reviewers of a queue gave, as JSONL or CSV.

    A row for each reviewer, request and score of what is done. It is the reviewer's newest opinion, whether
    it is the request's score or not.
    """
    format_ = _QUERY.read(call.request.query_params)[FORMAT]
    return await stream_opinions(call, format_)


async def stream_opinions(call: ApiCall, format_: str) -> Response:
    """The same for pages. Raises NotFound."""
    begin_file(call)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(call.services.exports.connection())
        # One moment, whatever is done meanwhile.
        await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        queue = await find_queue(call, connection)
        opinions = read_opinions(connection, call.principal.organization_id, queue.id)
        await stack.enter_async_context(aclosing(opinions))
        headers = {
            "Content-Type": MEDIA_TYPES["csv" if format_ == "csv" else "jsonl"],
            "Content-Disposition": f'attachment; filename="opinions.{format_}"',
        }
        return _OpinionStream(headers, stack.pop_all(), opinions, is_csv=format_ == "csv")


class _OpinionStream(FileStream):
    def __init__(
        self,
        headers: dict[str, str],
        resources: AsyncExitStack,
        opinions: AsyncGenerator[list[QueueOpinion], None],
        *,
        is_csv: bool,
    ) -> None:
        super().__init__(headers, resources)
        self._opinions = opinions
        self._is_csv = is_csv

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        if self._is_csv:
            yield HEADER
        write = write_csv if self._is_csv else write_lines
        async for some in self._opinions:
            yield await asyncio.to_thread(write, some)


_TAG: Final = "Review queues"
_ONE: Final = f"/v1/queues/{{{ID}}}"

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        f"{_ONE}/agreement",
        measure_queue_agreement,
        "r",
        _TAG,
        data={
            "type": "array",
            "items": whole_object("QueueAgreement", {"score": STRING, "agreement": nullable(AGREEMENT)}),
        },
        errors=(NotFound,),
    ),
    Endpoint(
        method="GET",
        path=f"{_ONE}/opinions",
        handler=export_queue_opinions,
        render_error=envelope.render_error,
        tag=_TAG,
        permission="r",
        query=_QUERY.fields,
        answer=STRING,
        answer_type=MEDIA_TYPES["jsonl"],
        formats=("text/csv",),
        errors=(NotFound,),
    ),
)

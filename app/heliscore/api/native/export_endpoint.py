"""`/v1/export`: everything that a filter finds, as a file."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall, Endpoint
from heliscore.api.http.json_schema import STRING
from heliscore.api.native.export_fields import BODY, QUERY, decode_export, read_export
from heliscore.api.shared import envelope
from heliscore.api.shared.export_stream import MEDIA_TYPES, stream_export

_TAG: Final = "Export"


async def export_requests(call: ApiCall) -> Response:
    """Export all requests that a filter finds, with their scores, as JSONL, CSV or Parquet.

    One row a request, all of one moment. JSONL is the full form; flat formats have a column `scores.<name>`
    for each score. The answer is compressed where `Accept-Encoding` has gzip. If anything goes wrong after
    its beginning, the connection is broken off: an answer that ends well is complete. To go on then, send the
    same with the `cursor` of the last row, a column that comes where `columns` names it.
    """
    return await stream_export(call, decode_export(await call.body()))


async def download_export(call: ApiCall) -> Response:
    """Export all requests that a filter finds, by an address that can be kept or downloaded.

    The parameters are the fields of the body of `POST /v1/export`.
    """
    return await stream_export(call, read_export(call.request.query_params))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/export",
        handler=export_requests,
        render_error=envelope.render_error,
        tag=_TAG,
        permission="r",
        body=BODY,
        answer=STRING,
        answer_type=MEDIA_TYPES["jsonl"],
        formats=("text/csv", MEDIA_TYPES["parquet"]),
    ),
    Endpoint(
        method="GET",
        path="/v1/export",
        handler=download_export,
        render_error=envelope.render_error,
        tag=_TAG,
        permission="r",
        query=QUERY.fields,
        answer=STRING,
        answer_type=MEDIA_TYPES["jsonl"],
        formats=("text/csv", MEDIA_TYPES["parquet"]),
    ),
)

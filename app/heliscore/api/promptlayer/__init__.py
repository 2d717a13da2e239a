"""PromptLayer's API."""

from __future__ import annotations

import re
from typing import Final

from heliscore.api.promptlayer import (
    log_request_endpoint,
    request_endpoint,
    search_endpoint,
    track_request_endpoint,
    tracking_endpoints,
)

ENDPOINTS: Final = (
    *tracking_endpoints.ENDPOINTS,
    *log_request_endpoint.ENDPOINTS,
    *track_request_endpoint.ENDPOINTS,
    *search_endpoint.ENDPOINTS,
    # Behind the search, whose path would be a request's too.
    *request_endpoint.ENDPOINTS,
)

_PREFIXES: Final = (
    # /rest/, /track-, /api/ …
    *{found[0] for endpoint in ENDPOINTS if (found := re.match("/[a-z]+[/-]", endpoint.path))},
    "/prompt-",  # its templates, which are not served
)


def owns(path: str) -> bool:
    """Whether a path is PromptLayer's, served or not: errors have its envelope there."""
    return path.startswith(_PREFIXES)

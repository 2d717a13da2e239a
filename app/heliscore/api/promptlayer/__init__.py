"""PromptLayer's API."""

from __future__ import annotations

from typing import Final

from heliscore.api.promptlayer import search_endpoint, track_request, tracking_endpoints

ENDPOINTS: Final = (*tracking_endpoints.ENDPOINTS, *track_request.ENDPOINTS, *search_endpoint.ENDPOINTS)

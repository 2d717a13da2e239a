"""PromptLayer's API."""

from __future__ import annotations

from typing import Final

from heliscore.api.promptlayer import logs, search, tracking

ENDPOINTS: Final = (*tracking.ENDPOINTS, *logs.ENDPOINTS, *search.ENDPOINTS)

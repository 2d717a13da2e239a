"""Origins of web pages, as browsers name them: scheme, host and port."""

from __future__ import annotations

import re
from typing import Final

from heliscore.domain.messages import shortened

ANY: Final = "*"
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_DEFAULT_PORT: Final = re.compile(r"http://.*:80|https://.*:443")


def read_web_origins(text: str) -> tuple[str, ...]:
    """Read a comma-separated list, or `*`. Raises ValueError for what no browser would send."""
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        if origin == ANY and len(origins) == 1:
            continue
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise ValueError(
                f"expected origins such as https://app.example.org (in lower case, without a path or the "
                f"scheme's own port), or only *, got {shortened(origin)}"
            )
    return origins

"""Looks over the browser's shoulder: errors in its console, and whom it talks to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError


class Watch:
    """Notes what no page may do: report an error, throw one, ask another host than the service."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._expected: list[str] = []

    def attach(self, context: BrowserContext, address: str) -> None:
        """Look at all pages of a context, which belong to the service at that address."""
        origin = urlsplit(address).netloc

        def note_message(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning", "assert"}:
                place = urlsplit(message.location["url"]).path
                self.errors.append(f"console: {message.text} [{place}]")

        def note_error(error: WebError) -> None:
            self.errors.append(f"page: {error.error}")

        def note_request(request: Request) -> None:
            host = urlsplit(request.url).netloc
            if host and host != origin:
                self.errors.append(f"host: {host}")

        context.on("console", note_message)
        context.on("weberror", note_error)
        context.on("request", note_request)

    def expect(self, pattern: str) -> None:
        """Demand at least one fault that contains the pattern: the test provokes it."""
        self._expected.append(pattern)

    def check(self) -> None:
        """Fail for every fault that was not expected, and for every one that was and did not happen."""
        missing = [
            pattern
            for pattern in self._expected
            if not any(re.search(pattern, field_error) for field_error in self.errors)
        ]
        unexpected = [
            field_error
            for field_error in self.errors
            if not any(re.search(pattern, field_error) for pattern in self._expected)
        ]
        errors = [*unexpected, *(f"expected, and did not happen: {pattern}" for pattern in missing)]
        if errors:
            raise AssertionError("\n".join(errors))

"""Ends a call when its client leaves: the provider need not go on, and nobody should pay for it."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Scope

from heliscore.api.http.request_state import begin_stream, client_went_away


class ClientWatch:
    """Cancels the current task when the client leaves, until `stop`. A service that stops lets the call go on
    for as long as any other, and then cancels it too."""

    def __init__(self, scope: Scope) -> None:
        self.has_left = False
        self._scope: Final = scope
        self._task = asyncio.current_task()
        begin_stream(scope, self._end)

    def stop(self) -> None:
        self._task = None

    def take_cancellation(self) -> bool:
        """Whether it was this that cancelled the task; then it is no longer cancelled."""
        task, self._task = self._task, None
        if self.has_left and task is not None:
            task.uncancel()
        return self.has_left

    def _end(self, _: str) -> None:
        if self._task is not None and client_went_away(self._scope):
            self.has_left = True
            self._task.cancel()

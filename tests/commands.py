"""Commands as processes of their own that need not import what they run: they start in a tenth of the time.

For tests of what commands do. Those of how one starts, and of the console script, use `subprocess`.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, AnyStr, Final

from tests import command_server

_PR_SET_CHILD_SUBREAPER: Final = 36
_CWD, _ENV, _PIPES = 4, 5, slice(9, 15)
"""Where Popen's arguments are among those of its `_execute_child`, in Python 3.11 to 3.14."""
_asking = threading.Lock()


class Command(subprocess.Popen[AnyStr]):
    """A `heliscore` command, and a child of this process as one of `subprocess` is. Of Popen's options, those
    for environment, folder and standard streams have an effect."""

    def _execute_child(self, args: Any, *more: Any) -> None:
        """The member of Popen that forks."""
        if sys.platform != "linux":  # elsewhere nobody adopts orphans
            super()._execute_child(args, *more)  # type: ignore[misc]
            return
        folder, environment, pipes = more[_CWD], more[_ENV], more[_PIPES]
        stdin, _, _, stdout, _, stderr = pipes
        files = [file if file != -1 else number for number, file in enumerate((stdin, stdout, stderr))]
        request = [
            list(map(os.fspath, args)),
            dict(os.environ if environment is None else environment),
            folder and os.fspath(folder),
        ]
        self.pid = _ask(json.dumps(request).encode(), files)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run_command(
    command: Sequence[str | Path], *, stdin: str | None = None, timeout: float, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command as `subprocess.run` does, and capture what it writes."""
    given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    pipe = subprocess.PIPE
    with Command(command, text=True, stdin=given, stdout=pipe, stderr=pipe, **options) as process:
        try:
            written, complaints = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, written, complaints)


def _ask(request: bytes, files: list[int]) -> int:
    with _asking:
        server = _server()
        _adopt_orphans(True)
        try:
            socket.send_fds(server, [request], files)
            answer = server.recv(command_server.MAX_ANSWER_BYTES)
            assert answer, "the server of commands has ended"
            return int(answer)
        finally:
            _adopt_orphans(False)


def _adopt_orphans(whether: bool) -> None:
    assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0) == 0


@cache
def _server() -> socket.socket:
    """Start the server, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, command_server.__file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # As those of a command are: a stream over a file would remember that it can be sought in.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def end() -> None:
        ours.close()
        process.communicate()

    atexit.register(end)
    return ours

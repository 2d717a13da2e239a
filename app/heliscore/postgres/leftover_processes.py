"""End processes that an earlier PostgreSQL left running over a data folder, before the next one starts there.

Only the owner of the folder may do this: a process that still holds postgres.lock has lost its service or its
postmaster, and nobody else will end it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from heliscore.domain.errors import EmbeddedServerError

ATTEMPTS = 750  # to get the lock, 20 ms apart
SIGNALS = {0: signal.SIGINT, 100: signal.SIGQUIT, 200: signal.SIGKILL}  # to the postmaster, by attempt
GRACE_ATTEMPTS = 10  # to wait for child processes whose postmaster is gone

_LINUX = sys.platform == "linux"


def take_lock(lock: IO[str], cluster: Path, pause: Callable[[float], None]) -> None:
    """Get the lock that all processes of PostgreSQL inherit, and end those that hold it. Raises
    EmbeddedServerError if they cannot be ended."""
    for attempt in range(ATTEMPTS):
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if attempt in SIGNALS and (postmaster := _postmaster(cluster)) is not None:
            with suppress(ProcessLookupError):
                os.kill(postmaster, SIGNALS[attempt])
        elif attempt >= GRACE_ATTEMPTS and _LINUX and _postmaster(cluster) is None:
            end_leftovers(Path(lock.name))
        pause(0.02)
    raise EmbeddedServerError(f"a PostgreSQL whose service died still runs over {cluster}: end it first")


def end_leftovers(lock: Path) -> None:
    """Kill PostgreSQL's processes that hold the lock: without their postmaster they may hang for ever, or go
    on with a long statement. Only on Linux; elsewhere they are waited for."""
    for pid in _holders(lock):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _postmaster(cluster: Path) -> int | None:
    """The pid in postmaster.pid, unless that process has ended or the pid belongs to another program now."""
    with suppress(OSError, ValueError):
        pid = int((cluster / "postmaster.pid").read_text(errors="replace").split("\n")[0])
        if _LINUX:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        else:
            ps = ["ps", "-wwo", "command=", "-p", str(pid)]
            command = subprocess.run(ps, stdout=subprocess.PIPE, check=False).stdout
        if os.fsencode(cluster) in command:
            return pid
    return None


def _holders(lock: Path) -> Iterator[int]:
    held = lock.stat()
    for process in Path("/proc").glob("[0-9]*") if _LINUX else ():
        with suppress(OSError):  # it ended meanwhile, or is another user's
            # Other programs may have the file open, such as a backup of the folder.
            if (process / "exe").readlink().name.split()[0] not in ("postgres", "initdb"):
                continue
            if any(os.path.samestat(fd.stat(), held) for fd in (process / "fd").iterdir()):
                yield int(process.name)

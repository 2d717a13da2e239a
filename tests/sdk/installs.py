"""Installations of clients that do not fit into the tests' own environment: made when a test asks for one,
kept in `.venv/sdk/<name>`, and made again when what they are made of changes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".venv/sdk"
TIMEOUT_S = 900


def install_python(name: str) -> Path:
    """The Python of a virtual environment with what `clients/<name>.lock` lists.

    It stands on the tests' own environment, so that packages of the same version are not installed twice. A
    lock may leave out what a client declares and the tests never import (`clients/excluded.txt`), or hold a
    newer version than it allows (`clients/overridden.txt`): nothing is resolved here.
    """
    lock = HERE / "clients" / f"{name}.lock"
    folder = KEPT / name
    python = folder / "bin/python"
    own = sysconfig.get_path("purelib")

    def install() -> None:
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
        (Path(packages) / "tests.pth").write_text(own)
        _install_locked(python, lock)

    _keep(folder, [sys.version.encode(), own.encode(), lock.read_bytes()], install)
    return python


def _install_locked(python: Path, lock: Path) -> None:
    """Install by uv, or as the Makefile does by pip, which alone reads pip's configuration."""
    locked = ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock)]
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--python", str(python)]
    if subprocess.run([*uv, *locked], check=False, capture_output=True, timeout=TIMEOUT_S).returncode:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile"]
        _run([*pip, "--disable-pip-version-check", *locked])


def install_node(name: str, source: Path, *flags: str) -> Path:
    """The folder `node_modules` with what the folder's package-lock.json lists; `flags` are npm's."""
    if not shutil.which("npm"):
        _give_up("npm is not installed: the JavaScript packages cannot be tested")
    folder = KEPT / name
    files = [source / file for file in (".npmrc", "package.json", "package-lock.json")]
    stand_ins = [path.parent for path in source.glob("*/package.json") if path.parent.name != "node_modules"]

    def install() -> None:
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder)
        for stand_in in stand_ins:
            if f"file:{stand_in.name}" in files[1].read_text():
                shutil.copytree(stand_in, folder / stand_in.name)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *flags]
        _run(["npm", "ci", *options], cwd=folder)

    _keep(folder, [file.read_bytes() for file in files], install)
    return folder / "node_modules"


def _keep(folder: Path, made_of: Iterable[bytes], install: Callable[[], None]) -> None:
    """Install, unless what is in the folder was made of the same."""
    wanted = sha256(b"\0".join(made_of)).hexdigest()
    mark = folder / "installed"
    with _alone(folder.with_name(f"{folder.name}.turn")):
        if mark.exists() and mark.read_text() == wanted:
            return
        shutil.rmtree(folder, ignore_errors=True)
        install()
        mark.write_text(wanted)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One test process at a time: the others wait for what the first one installs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, timeout=TIMEOUT_S, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        _give_up(f"{' '.join(command)} failed:\n{error.stderr}")


def _give_up(reason: str) -> None:
    """Fail where every test has to run, skip elsewhere: somebody may be without a network."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

"""The folder of what several processes count: removed when its owner ends, and when it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from heliscore.observability import metric_files
from heliscore.observability.metric_files import FOLDER, shared_folder

OWN = """
import sys
from pathlib import Path
from heliscore import metric_files

metric_files._MEMORY = Path(sys.argv[1])
with metric_files.shared_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def age(folder: Path) -> None:
    os.utime(folder / "owned", (0, 0))


def test_folder_ends_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_files, "_MEMORY", tmp_path)
    with shared_folder() as folder:
        assert (os.environ[FOLDER], folder.parent) == (str(folder), tmp_path)
    assert FOLDER not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_owner_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_files, "_MEMORY", tmp_path)
    command = [sys.executable, "-c", OWN, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        age(folder)
        with shared_folder():
            assert folder.exists()  # its owner lives
        owner.kill()
        owner.wait(10)
    with shared_folder() as own:
        assert list(tmp_path.iterdir()) == [own]


def test_folder_that_was_just_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_files, "_MEMORY", tmp_path)
    young = tmp_path / "heliscore-metrics-young"
    young.mkdir()
    (young / "owned").touch()
    with shared_folder():
        assert young.exists()
    age(young)
    with shared_folder():
        assert not young.exists()

"""Helicone's and PromptLayer's JavaScript packages as npm installs them, and programs that use them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import Service

HERE = Path(__file__).parent
FILES = (".npmrc", "package.json", "package-lock.json", "log.mjs", "promptlayer.cjs")


class Outcome(msgspec.Struct, frozen=True):
    """What a program that ended well printed."""

    output: str
    errors: str


RunHelpers = Callable[..., Awaitable[Outcome]]
RunPromptLayer = Callable[..., Awaitable[list[Any]]]


@pytest.fixture(scope="session")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the programs and the locked packages are installed."""
    if not shutil.which("npm"):
        if os.environ.get("CI") == "true":
            pytest.fail("npm is needed for the tests of the JavaScript packages")
        pytest.skip("npm is not installed: the JavaScript packages are not tested")
    folder = tmp_path_factory.mktemp("helpers")
    for name in FILES:
        shutil.copy(HERE / name, folder)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        check=True,
        timeout=300,
    )
    return folder


@pytest.fixture
def run_helpers(helpers: Path, service: Service) -> RunHelpers:
    """Run a scenario of log.mjs against the service, with a good key unless another is given."""

    async def run(*arguments: str, key: str | None = None) -> Outcome:
        environment = {"ADDRESS": service.address, "KEY": key or await service.make_key()}
        return await _run(helpers, ["log.mjs", *arguments], environment)

    return run


@pytest.fixture
def run_promptlayer(helpers: Path, service: Service) -> RunPromptLayer:
    """Run steps of promptlayer.cjs, each `[method, *arguments]`, against the service, with a good key unless
    others are given; answers what each returned or raised."""

    async def run(
        *steps: object, key: str | None = None, address: str | None = None, throws: bool = True
    ) -> list[Any]:
        environment = {
            "ADDRESS": address or service.address,
            "KEY": key or await service.make_key(),
            "THROW": str(throws).lower(),
        }
        outcome = await _run(helpers, ["promptlayer.cjs", msgspec.json.encode(steps).decode()], environment)
        outcomes: list[Any] = msgspec.json.decode(outcome.output.splitlines()[-1])
        return outcomes

    return run


async def _run(folder: Path, arguments: list[str], environment: dict[str, str]) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        "node",
        *arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return Outcome(output.decode(), errors.decode())

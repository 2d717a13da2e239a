"""Real clients, installed as their users install them, and programs that use them."""

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
from tests.sdk.installs import HERE, install_node, install_python

TIMEOUT_S = 300
PROGRAMS = (
    "gateway.mjs",
    "log.mjs",
    "opentelemetry.cjs",
    "promptlayer.cjs",
    "samples.mjs",
    "samples.ts",
    "streams.mjs",
)


class Outcome(msgspec.Struct, frozen=True):
    """What a program that ended well printed."""

    output: str
    errors: str


RunHelpers = Callable[..., Awaitable[Outcome]]
RunPromptLayer = Callable[..., Awaitable[list[Any]]]
RunPython = Callable[..., Awaitable[Outcome]]


@pytest.fixture(scope="session")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the programs and the locked packages are."""
    return _lay_out(tmp_path_factory.mktemp("helpers"), install_node("node", HERE), PROGRAMS)


@pytest.fixture(scope="session")
def helicone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for npm @helicone/helicone, which needs an older openai than the others."""
    modules = install_node("helicone", HERE / "helicone")
    return _lay_out(tmp_path_factory.mktemp("helicone"), modules, ("helicone.cjs",))


def _lay_out(folder: Path, modules: Path, programs: tuple[str, ...]) -> Path:
    """Node looks for packages beside the program."""
    (folder / "node_modules").symlink_to(modules)
    for name in programs:
        shutil.copy(HERE / name, folder)
    return folder


@pytest.fixture
def run_helpers(helpers: Path, service: Service) -> RunHelpers:
    """Run a scenario of log.mjs against the service, with a good key unless another is given."""

    async def run(*arguments: str, key: str | None = None) -> Outcome:
        return await run_program(["node", "log.mjs", *arguments], await environment_of(service, key), helpers)

    return run


@pytest.fixture
def run_streams(helpers: Path, service: Service) -> RunHelpers:
    """Log a stream by streams.mjs: what streams, and how it is logged."""

    async def run(*arguments: str) -> Outcome:
        return await run_program(["node", "streams.mjs", *arguments], await environment_of(service), helpers)

    return run


@pytest.fixture
def run_opentelemetry(helpers: Path, service: Service) -> RunHelpers:
    """Run opentelemetry.cjs against the service."""

    async def run(*arguments: str) -> Outcome:
        command = ["node", "opentelemetry.cjs", *arguments]
        return await run_program(command, await environment_of(service), helpers)

    return run


@pytest.fixture
def run_helicone(helicone: Path, service: Service) -> RunHelpers:
    """Run a scenario of helicone.cjs against the service."""

    async def run(*arguments: str) -> Outcome:
        return await run_program(
            ["node", "helicone.cjs", *arguments], await environment_of(service), helicone
        )

    return run


@pytest.fixture
def run_promptlayer(helpers: Path, service: Service) -> RunPromptLayer:
    """Run steps of promptlayer.cjs, each `[method, *arguments]`, against the service, with a good key unless
    others are given; answers what each returned or raised."""

    async def run(
        *steps: object, key: str | None = None, address: str | None = None, throws: bool = True
    ) -> list[Any]:
        environment = await environment_of(service, key)
        environment |= {"ADDRESS": address or service.address, "THROW": str(throws).lower()}
        outcome = await run_program(
            ["node", "promptlayer.cjs", msgspec.json.encode(steps).decode()], environment, helpers
        )
        outcomes: list[Any] = msgspec.json.decode(outcome.output.splitlines()[-1])
        return outcomes

    return run


@pytest.fixture
def run_python(service: Service) -> RunPython:
    """Run a program of clients/ with the Python of an installation. `address` and `key` name the variables by
    which the client is pointed at the service."""

    async def run(
        python: Path, program: str, *arguments: str, address: str, key: str, **more: str
    ) -> Outcome:
        environment = {address: service.address, key: await service.make_key(), **more}
        return await run_program([str(python), str(HERE / "clients" / program), *arguments], environment)

    return run


@pytest.fixture
def run_node(helpers: Path) -> RunHelpers:
    """Run a program with an environment."""

    async def run(program: str, **environment: str) -> Outcome:
        return await run_program(["node", program], environment, helpers)

    return run


@pytest.fixture(scope="session")
def frameworks_python() -> Path:
    """LiteLLM, LangChain's and LlamaIndex's handlers for PromptLayer, and clients of the gateway."""
    return install_python("frameworks")


@pytest.fixture(scope="session")
def opentelemetry_python() -> Path:
    """OpenLLMetry's instrumentation of PyPI openai; OpenTelemetry's SDK is in the tests' environment."""
    return install_python("opentelemetry")


@pytest.fixture(scope="session")
def promptlayer_python() -> Path:
    """The last version of PyPI promptlayer that reads the old name of the variable."""
    return install_python("promptlayer")


async def environment_of(service: Service, key: str | None = None) -> dict[str, str]:
    return {"ADDRESS": service.address, "KEY": key or await service.make_key()}


async def run_program(command: list[str], environment: dict[str, str], folder: Path | None = None) -> Outcome:
    """Run a program. One that fails is no assertion: what a test expects to fail is something else."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors.decode()}")
    return Outcome(output.decode(), errors.decode())

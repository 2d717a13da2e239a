"""Clients that are generated from the OpenAPI document: by openapi-python-client (PyPI), and by
openapi-typescript with openapi-fetch (npm). Each generator makes every operation, without a warning, the
types hold, and a program calls with them.

What they make stays in `.venv/sdk`, where mypy remembers what it has checked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from heliscore.endpoint_table import ENDPOINTS

from tests.conftest import Service
from tests.sdk.conftest import environment_of, run_program
from tests.sdk.installs import HERE, KEPT, install_node, install_python

OPERATIONS = {
    endpoint.operation or endpoint.handler.__name__
    for endpoint in ENDPOINTS
    if endpoint.tag != "Documentation"
}

SEEN = {
    "definition": ["accuracy", "integer", 100],
    "batch": [1, 0],
    "found": [["two", {"accuracy": 40}]],
    "page": [1, True],
    "refused": "limit: expected an integer from 0 to 1000, got 5000",
    "compared": [None, 67.5],
    "monitors": [[True, "accuracy", 70]],
    "tracked": True,
}
"""What both programs print: they make the same calls."""


def write_documented(language: str, path: Path, address: str) -> None:
    """Write the program that docs/clients.md shows, for a service at that address."""
    page = (HERE.parents[1] / "docs/clients.md").read_text(encoding="utf-8")
    [program] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path.write_text(program.replace("http://127.0.0.1:8585", address), encoding="utf-8")


async def read_document(service: Service, folder: Path) -> Path:
    """The document in a file, as it is served."""
    path = folder / "openapi.json"
    client = await service.client(key="")
    path.write_bytes((await client.get("/openapi.json")).content)
    return path


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """An empty folder that is the same each time: mypy remembers by path."""
    path: Path = KEPT / "generated" / request.function.__name__
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="session")
def generator() -> Path:
    """The Python of openapi-python-client; installed before a service starts, which would stand still."""
    return install_python("generator")


@pytest.fixture(scope="session")
def modules() -> Path:
    """The packages of openapi-typescript."""
    return install_node("openapi-typescript", HERE / "generated")


async def test_openapi_python_client(service: Service, folder: Path, generator: Path) -> None:
    document = await read_document(service, folder)
    package = folder / "heliscore_client"
    tools = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # it formats by ruff
    generate = ["generate", "--path", str(document), "--output-path", str(package), "--meta", "none"]
    generated = await run_program([str(generator), "-m", "openapi_python_client", *generate], tools)
    assert "WARNING" not in generated.output + generated.errors
    assert {path.stem for path in package.glob("api/*/*.py")} - {"__init__"} == OPERATIONS
    # Where an alternative has no name, its number is its name.
    assert [path.stem for path in package.glob("models/*_type_[0-9]*.py")] == []

    program = shutil.copy(HERE / "clients/generated_calls.py", folder)
    (folder / "mypy.ini").write_text(
        # The generator's own text, the same for every document, has errors with this httpx.
        "[mypy]\nstrict = true\nwarn_redundant_casts = false\n"
        "[mypy-heliscore_client.client]\nignore_errors = true\n"
    )
    write_documented("python", folder / "documented.py", service.address)
    check = ["--config-file", "mypy.ini", "--cache-dir", str(KEPT / "generated/mypy"), package.name]
    await run_program([sys.executable, "-m", "mypy", *check, Path(program).name, "documented.py"], {}, folder)
    environment = await environment_of(service)
    called = await run_program([sys.executable, str(program)], environment, folder)
    assert json.loads(called.output) == SEEN
    documented = await run_program([sys.executable, "documented.py"], environment, folder)
    assert "req_abc123def456 {'accuracy': 95, 'has_citations': 1}\n" in documented.output


async def test_openapi_typescript(service: Service, folder: Path, modules: Path) -> None:
    document = await read_document(service, folder)
    (folder / "node_modules").symlink_to(modules)
    for name in ("calls.ts", "package.json", "tsconfig.json"):
        shutil.copy(HERE / "generated" / name, folder)
    generate = [str(document), "--output", "schema.d.ts", "--default-non-nullable", "false"]
    await run_program(["node", str(modules / "openapi-typescript/bin/cli.js"), *generate], {}, folder)
    types = (folder / "schema.d.ts").read_text()
    assert {name for name in OPERATIONS if f"\n    {name}: {{" in types} == OPERATIONS

    write_documented("ts", folder / "documented.ts", service.address)
    # TypeScript 7 checks in a tenth of the time of 5.9, which the generator needs.
    await run_program(["node", str(modules / "typescript-native/bin/tsc"), "--project", "."], {}, folder)
    environment = await environment_of(service)
    called = await run_program(["node", "calls.js"], environment, folder)
    assert json.loads(called.output) == SEEN
    documented = await run_program(["node", "documented.js"], environment, folder)
    assert 'req_abc123def456 {"accuracy":95,"has_citations":1}\n' in documented.output

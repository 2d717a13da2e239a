"""deploy/ without a Docker: the files are read, and the commands in them run, in folders that stand for the
image's. They build the wheel and install it outside the checkout, beside the locked dependencies; it serves
from there. What only Docker can do (its base images, useradd, the volume) is not shown here."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from heliscore import __version__
from heliscore.postgres.binaries import find_binaries
from heliscore.settings import Settings, check_exposure, read_settings

from tests.faults.proxy import Proxy
from tests.test_cli import environment

TREE = Path(__file__).parents[1]
DOCKERFILE = TREE / "deploy" / "Dockerfile"
COMPOSE = TREE / "deploy" / "compose.yaml"

OPT = "/opt"
"""Where the first stage makes the environment with the service and the one that builds its wheel."""
INSTALLED = f"{OPT}/heliscore"
"""Where the image has the service."""

TIMEOUT_S = 600

SECRETS = {"POSTGRES_PASSWORD": "s3cret", "HELISCORE_API_KEY": "Wq7-kestrel-lantern-59"}


class Instruction(NamedTuple):
    name: str
    text: str

    @property
    def command(self) -> list[str]:
        """Of the exec form, the only one that we use: no shell stands between Docker's signals and us."""
        command: list[str] = json.loads(self.text)
        return command


def read_stages() -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on."""
    stages: list[list[Instruction]] = []
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, text = line.partition(" ")
            if name == "FROM":
                stages.append([])
            stages[-1].append(Instruction(name, text))
    return stages


BUILD, IMAGE = read_stages()


def only(name: str) -> Instruction:
    """The image's one instruction of that name."""
    [instruction] = [instruction for instruction in IMAGE if instruction.name == name]
    return instruction


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(only("ENV").text))


def installed_at(folder: Path, command: list[str]) -> list[str]:
    """The command with the folder in place of OPT."""
    return [part.replace(f"{OPT}/", f"{folder}/") for part in command]


def isolated(variables: dict[str, str]) -> dict[str, str]:
    """Without what would lend a Python the packages of another."""
    return {name: value for name, value in variables.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder in place of OPT, as the instructions of the first stage fill it."""
    made = Path(tempfile.mkdtemp(prefix="heliscore-image-"))
    made.chmod(0o755)
    work = made / "src"
    work.mkdir()
    programs = {"python": [sys.executable], "pip": [sys.executable, "-m", "pip"]}
    try:
        for name, text in BUILD:
            if name == "COPY":
                *sources, target = text.split()
                for source in sources:
                    copy(TREE / source, work / target)
            elif name == "RUN":
                program, *arguments = installed_at(made, Instruction(name, text).command)
                run = subprocess.run(
                    [*programs[program], *arguments],
                    cwd=work,
                    # To compile would be half of the time, for nothing that is shown here.
                    env=isolated(dict(os.environ)) | {"PIP_NO_COMPILE": "1"},
                    capture_output=True,
                    timeout=TIMEOUT_S,
                    check=False,
                )
                assert run.returncode == 0, run.stderr.decode()
            else:
                assert name in ("FROM", "WORKDIR")
        yield made
    finally:
        shutil.rmtree(made)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def site_packages(image: Path) -> Path:
    [found] = image.glob("heliscore/lib/python*/site-packages")
    return found


def test_wheel_installs_no_other_name_than_the_package(image: Path) -> None:
    [wheel] = (image / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist()}
    assert names == {"heliscore", f"heliscore-{__version__}.dist-info"}


def test_wheel_carries_the_licence(image: Path) -> None:
    [distribution] = importlib.metadata.distributions(name="heliscore", path=[str(site_packages(image))])
    assert distribution.metadata["License-Expression"] == "Apache-2.0"
    [licence] = distribution.metadata.get_all("License-File") or []
    assert distribution.read_text(f"licenses/{licence}") == (TREE / "LICENSE").read_text(encoding="utf-8")


def test_image_carries_every_file_of_the_package_and_of_sql(image: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in found if "__pycache__" not in path.parts}

    assert files(site_packages(image) / "heliscore") == files(TREE / "app/heliscore") | {
        f"sql/{name}" for name in files(TREE / "sql")
    }


def test_image_carries_the_locked_versions(image: Path) -> None:
    lock = (TREE / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE))
    found = {
        distribution.name.lower().replace("_", "-"): distribution.version
        for distribution in importlib.metadata.distributions(path=[str(site_packages(image))])
    }
    assert found.pop("heliscore") == __version__
    assert found.items() <= locked.items()
    assert "asyncpg" in found


UNPRIVILEGED = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
"""A command behind it has no privileges, but can reach the interpreter, which may be in root's home."""


@pytest.fixture
async def tcp_dsn(dsn: str) -> AsyncIterator[str]:
    """The test's database for whoever may not enter the folder of the server's socket."""
    address = urlsplit(dsn)
    folder = parse_qs(address.query).get("host")
    if folder is None:
        yield dsn
        return
    async with Proxy(Path(folder[0], ".s.PGSQL.5432")) as proxy:
        yield f"postgresql://{address.username}@127.0.0.1:{proxy.port}{address.path}"


async def test_container_serves_unprivileged_and_knows_its_health(image: Path, tcp_dsn: str) -> None:
    await asyncio.to_thread(_serve_and_stop, image, tcp_dsn)


def _run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=variables,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _serve_and_stop(image: Path, dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = environment(DATABASE_URL=dsn, PORT=str(port), API_KEY=SECRETS["HELISCORE_API_KEY"])
    variables = isolated(given) | image_environment() | {"HELISCORE_HOST": "127.0.0.1"}
    probe = re.fullmatch(r"(?:--[\w-]+=\S+ )+CMD (.*)", only("HEALTHCHECK").text)
    assert probe

    def command(exec_form: str) -> list[str]:
        return UNPRIVILEGED + installed_at(image, json.loads(exec_form))

    def probed() -> int:
        return _run(command(probe[1]), variables).returncode

    assert probed() == 1
    service = subprocess.Popen(command(only("CMD").text), env=variables, cwd="/", stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while probed() != 0:
            assert service.poll() is None
            assert time.monotonic() < deadline
        _score_and_query(f"http://127.0.0.1:{port}")
        service.send_signal(signal.SIGTERM)
        assert service.wait(TIMEOUT_S) == 0
    finally:
        service.kill()
        service.wait()
    assert probed() == 1


def _score_and_query(address: str) -> None:
    headers = {"Authorization": f"Bearer {SECRETS['HELISCORE_API_KEY']}"}
    with httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT_S) as client:
        assert client.get("/readyz").status_code == 200
        posted = client.post("/v1/request/r/score", json={"scores": {"accuracy": 95}})
        assert posted.status_code == 200
        at_least = {"request_response_rmt": {"scores": {"accuracy": {"gte": 95}}}}
        found = client.post("/v1/request/query-clickhouse", json={"filter": at_least}).json()["data"]
        assert [row["request_id"] for row in found] == ["r"]


def test_image_knows_its_version(image: Path) -> None:
    run = _run([str(image / "heliscore/bin/heliscore"), "version"], isolated(environment()))
    version, server = run.stdout.splitlines()
    assert (run.returncode, version) == (0, __version__)
    assert re.fullmatch(r"PostgreSQL \d+\.\d+ \(embedded\)", server)


def test_image_runs_as_a_user_of_its_own_over_a_volume_that_is_its() -> None:
    [user] = [instruction.command for instruction in IMAGE if instruction.name == "RUN"]
    home = user[user.index("--home-dir") + 1]
    assert (user[0], user[-1], int(user[user.index("--uid") + 1]) > 0) == ("useradd", only("USER").text, True)
    assert only("VOLUME").command == [home] == [image_environment()["HELISCORE_DATA_DIR"]]
    names = [instruction.name for instruction in IMAGE]
    assert names.index("USER") < names.index("CMD")
    assert only("EXPOSE").text == str(Settings().port)
    assert image_environment()["HELISCORE_HOST"] != Settings().host
    for copied in (instruction for instruction in IMAGE if instruction.name == "COPY"):
        assert copied.text == f"--from=build {INSTALLED} {INSTALLED}"


def test_nothing_else_is_sent_to_the_build() -> None:
    ignored = DOCKERFILE.with_suffix(".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = {source for name, text in BUILD if name == "COPY" for source in text.split()[:-1]}
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == sources


# Compose


def compose(**variables: str) -> Any:
    """The file with the variables put in; a KeyError names one that is required and missing."""

    def fill(found: re.Match[str]) -> str:
        name, kind = found[1], found[2]
        return variables[name] if kind == ":?" else variables.get(name, "")

    text = re.sub(r"\$\{(\w+)(:\?|:-)[^}]*\}", fill, COMPOSE.read_text(encoding="utf-8"))
    assert "$" not in text
    return yaml.safe_load(text)


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_demands_its_secrets(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        compose(**{name: value for name, value in SECRETS.items() if name != missing})


def test_compose_gives_the_service_settings_that_it_takes() -> None:
    services = compose(**SECRETS)["services"]
    settings = read_settings(image_environment() | services["heliscore"]["environment"])
    check_exposure(settings)
    assert settings.database_url is not None
    address = urlsplit(settings.database_url)
    database = services["postgres"]["environment"]
    assert (address.hostname, address.port) == ("postgres", 5432)
    assert address.username == database["POSTGRES_USER"]
    assert address.password == database["POSTGRES_PASSWORD"] == SECRETS["POSTGRES_PASSWORD"]
    assert address.path == f"/{database['POSTGRES_DB']}"
    assert settings.retention_days is None


def test_compose_builds_our_image_and_keeps_to_this_machine() -> None:
    whole = compose(**SECRETS)
    service, database = whole["services"]["heliscore"], whole["services"]["postgres"]
    built = service["build"]
    assert (COMPOSE.parent / built["context"] / built["dockerfile"]).resolve() == DOCKERFILE
    port = Settings().port
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert "ports" not in database
    assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    [volume] = database["volumes"]
    assert volume.split(":")[0] in whole["volumes"]


def test_health_check_of_the_database_tells_whether_it_is_there(dsn: str) -> None:
    kind, program, *arguments = compose(**SECRETS)["services"]["postgres"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "pg_isready")

    def check(address: str) -> int:
        # The last name counts: an address in place of the container's own database.
        command = [find_binaries() / program, *arguments, "--dbname", address]
        return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False).returncode

    assert check(dsn) == 0
    assert check("postgresql://127.0.0.1:1/heliscore") != 0

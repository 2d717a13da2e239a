"""Calls a service that runs, for the commands that need no database."""

from __future__ import annotations

import io
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from heliscore.domain.errors import NotAsked
from heliscore.domain.messages import on_one_line

if TYPE_CHECKING:
    import httpx

_DEFAULT_URL: Final = "http://127.0.0.1:8585"

_TIMEOUT_S: Final = 300
"""Of one answer: with groups, a gate is many statements."""

url_option: Final = click.option(
    "--url", metavar="URL", help=f"Of the service. Default: $HELISCORE_URL, or {_DEFAULT_URL}."
)


def read_object(file: str) -> dict[str, Any]:
    """Read JSON or TOML from a file, - for stdin. Raises NotAsked."""
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        read = _decode(text, file)
    except OSError as error:
        raise NotAsked(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAsked(f"{file}: {error}") from None
    if not isinstance(read, dict):
        raise NotAsked(f"{file}: expected an object")
    return read


def read_filter(text: str) -> object:
    """Read the JSON of a filter, or the file of that name. Raises NotAsked."""
    try:
        return msgspec.json.decode(text if text.lstrip()[:1] in ("{", '"') else Path(text).read_bytes())
    except OSError as error:
        raise NotAsked(f"{text}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAsked(f"--filter: {error}") from None


def _decode(text: bytes, file: str) -> Any:
    is_json = text.lstrip().startswith(b"{") if file == "-" else not file.endswith(".toml")
    return msgspec.json.decode(text) if is_json else tomllib.loads(text.decode())


@contextmanager
def connected(url: str | None) -> Iterator[httpx.Client]:
    """A client with the key of HELISCORE_API_KEY. What it raises, and an answer of another form than the
    block expects, comes as NotAsked."""
    import httpx  # not for the help, which imports every command

    key = os.environ.get("HELISCORE_API_KEY")
    if not key:
        raise NotAsked("HELISCORE_API_KEY is not set")
    url = url or os.environ.get("HELISCORE_URL") or _DEFAULT_URL
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAsked(f"{url}: {error or type(error).__name__}") from None
    except UnicodeEncodeError:
        raise NotAsked("HELISCORE_API_KEY is no API key") from None
    except msgspec.ValidationError as error:
        raise NotAsked(f"{url} does not answer as Heliscore does: {error}") from None


def call(client: httpx.Client, method: str, path: str, body: object = None) -> Any:
    """Call an endpoint and return the data of its answer. Raises NotAsked for an error."""
    content = None if body is None else msgspec.json.encode(body)
    response = client.request(method, path, content=content)
    return raise_for_answer(response).get("data")


def raise_for_answer(response: httpx.Response) -> dict[str, Any]:
    """Return an answer of JSON. Raises NotAsked for an error."""
    try:
        answer = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if not isinstance(answer, dict):
        raise NotAsked(f"{response.url} answers {response.status_code}, and no JSON object")
    if response.status_code != 200:
        raise NotAsked(f"{response.url} answers {response.status_code}: {_reasons(answer)}")
    return answer


def _reasons(answer: dict[str, Any]) -> str:
    """All errors of the file, or else the one of the answer."""
    match answer:
        case {"details": [_, _, *_] as details}:
            return "; ".join(f"{one.get('path')}: {one.get('message')}" for one in details)
        case _:
            return str(answer.get("error"))


def say(line: str) -> None:
    """Print a line, whatever the names in it and the encoding of stdout are. In a CI, a line that begins with
    `::` is a command, and a name might begin one."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    click.echo(on_one_line(line))

"""Calls of a running service, for the commands that ask it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from heliscore.domain.errors import NotAsked

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

DEFAULT_URL: Final = "http://127.0.0.1:8585"

_TIMEOUT_S: Final = 300
"""Of one answer: with groups, a gate is many statements."""


def find_service(url: str | None) -> tuple[str, str]:
    """The address of the service, from the environment where none is given, and the API key. Raises
    NotAsked."""
    key = os.environ.get("HELISCORE_API_KEY")
    if not key:
        raise NotAsked("HELISCORE_API_KEY is not set")
    return url or os.environ.get("HELISCORE_URL") or DEFAULT_URL, key


@contextmanager
def asking(url: str, key: str) -> Iterator[httpx.Client]:
    """A client of the service. What keeps it from being asked is raised as NotAsked."""
    import httpx  # not for the help, which imports every command

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAsked(f"{url}: {error or type(error).__name__}") from None
    except UnicodeEncodeError:
        raise NotAsked("HELISCORE_API_KEY is no API key") from None


def call(client: httpx.Client, path: str, body: object) -> Any:
    """The data of an answer. Raises NotAsked for any other one."""
    response = client.post(path, content=msgspec.json.encode(body))
    try:
        answer = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if not isinstance(answer, dict):
        raise NotAsked(f"{response.url} answers {response.status_code}, and no JSON object")
    if response.status_code != 200:
        raise NotAsked(f"{response.url} answers {response.status_code}: {_reasons(answer)}")
    return answer.get("data")


def convert(client: httpx.Client, data: object, type_: type[T]) -> T:
    """Raises NotAsked for data of another type."""
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        raise NotAsked(f"{client.base_url} does not answer as Heliscore does: {error}") from None


def _reasons(answer: dict[str, Any]) -> str:
    """All errors of the file, or else the one of the answer."""
    match answer:
        case {"details": [_, _, *_] as details}:
            return "; ".join(f"{one.get('path')}: {one.get('message')}" for one in details)
        case _:
            return str(answer.get("error"))

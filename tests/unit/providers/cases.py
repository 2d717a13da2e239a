"""The cases of tests/cases/logs.json as the provider readers see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
from heliscore.providers.families.promptlayer import said_in, says_something
from heliscore.providers.stream_assembly import assemble

CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "cases" / "logs.json").read_text()
)


class Exchange(msgspec.Struct):
    """A case's bodies as they would be stored."""

    asked: object
    """Where the model's name may stand beside what is stored."""

    request: object
    response: object
    url: str | None = None


def exchange_of(case: dict[str, Any]) -> Exchange | None:
    """The bodies of a case; None where it has none that is worth reading."""
    body: Any = case["body"]
    match body:
        case {"providerRequest": {"json": request}, "providerResponse": response}:
            text = response.get("textBody")
            sent = text if text else response.get("json")
            return Exchange(request, request, stored(sent), body["providerRequest"].get("url"))
        case {"args": _, "kwargs": _, "request_response": response} | {
            "kwargs": _,
            "request_response": response,
        }:
            kwargs, args = body["kwargs"], body.get("args")
            said = {key: kwargs[key] for key in said_in(kwargs)}
            request = {"args": args, "kwargs": said} if says_something(args) else said
            return Exchange(kwargs, request, stored(response))
        case {"input": request, "output": response}:
            return Exchange(body, request, stored(response))
    return None


def stored(sent: object) -> object:
    """What is stored of a response: a stream as a whole, a text that is JSON as JSON."""
    if assembled := assemble(sent):
        return assembled.body
    if isinstance(sent, str):
        try:
            return msgspec.json.decode(sent)
        except ValueError:
            return sent
    return sent

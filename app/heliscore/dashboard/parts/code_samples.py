"""Writes a call of the API as a shell command, in Python and in JavaScript, from its OpenAPI operation.

Address and key come from the environment, so that a sample runs as it is copied."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

_PARAMETER: Final = re.compile(r"{(\w+)}")

_EXAMPLES: Final = {
    "requestId": "req_abc123def456",
    "request_id": "1000000000000",
    "name": "accuracy",
    "key": "env",
    "propertyKey": "env",
    "model": "gpt-5",
    "path": "v1/models",
}
"""Values of parameters in paths. Others are ids, which the reader has to fill in."""

_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_WIDTH: Final = 80


class Sample(msgspec.Struct, frozen=True):
    """A call in one language."""

    language: str
    title: str
    code: str


class _Call(msgspec.Struct, frozen=True):
    method: str
    path: str
    needs_key: bool
    body: Any
    """None: there is none."""

    answer_type: str


def make_samples(method: str, path: str, operation: dict[str, Any]) -> list[Sample]:
    """Write an operation of the document in each language."""
    answer = next(iter(operation["responses"].values()))
    call = _Call(
        method.upper(),
        example_path(path),
        "security" in operation,
        example_body(operation),
        next(iter(answer["content"])),
    )
    return [
        Sample("curl", "curl", _write_curl(call)),
        Sample("python", "Python", _write_python(call)),
        Sample("javascript", "JavaScript", _write_javascript(call)),
    ]


def example_path(path: str) -> str:
    """A path with examples for its parameters; `KEY_ID` stands for an id that the reader has to fill in."""
    return _PARAMETER.sub(lambda found: _EXAMPLES.get(found[1]) or _as_placeholder(found[1]), path)


def _as_placeholder(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def example_body(operation: dict[str, Any]) -> Any:
    """The example of an operation's body; None where it has none."""
    return operation.get("requestBody", {}).get("content", {}).get(_JSON, {}).get("example")


def _write_curl(call: _Call) -> str:
    flags = " -N" if call.answer_type == _STREAM else ""
    is_implied = call.method == ("GET" if call.body is None else "POST")
    lines = [f'curl{flags} "$HELISCORE_URL{call.path}"' + ("" if is_implied else f" -X {call.method}")]
    headers = ['-H "Authorization: Bearer $KEY"'] if call.needs_key else []
    if call.body is not None:
        headers.append('-H "Content-Type: application/json"')
    if headers:
        lines.append(" ".join(headers))
    if call.body is not None:
        lines.append("-d '{}'".format(format_json(call.body).replace("'", "'\\''")))
    return " \\\n  ".join(lines)


def _write_python(call: _Call) -> str:
    arguments = [f"f\"{{os.environ['HELISCORE_URL']}}{call.path}\""]
    if call.needs_key:
        arguments.append('headers={"Authorization": f"Bearer {os.environ[\'KEY\']}"}')
    if call.body is not None:
        arguments.append(f"json={_format_python(call.body, 1)}")
    function = call.method.lower()
    if call.answer_type == _STREAM:
        arguments = ['"GET"', *arguments, "timeout=None"]
        reading = "    for line in response.iter_lines():\n        print(line)"
        opening, closing = "with httpx.stream(", ") as response:"
    else:
        opening, closing = f"response = httpx.{function}(", ")"
        read = "response.json()" if call.answer_type == _JSON else "response.text"
        reading = f"response.raise_for_status()\nprint({read})"
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"import os\n\nimport httpx\n\n{opening}\n{lines}{closing}\n{reading}"


def _write_javascript(call: _Call) -> str:
    headers = ["Authorization: `Bearer ${process.env.KEY}`"] if call.needs_key else []
    if call.body is not None:
        headers.append('"Content-Type": "application/json"')
    options = [] if call.method == "GET" else [f'method: "{call.method}"']
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if call.body is not None:
        options.append(f"body: JSON.stringify({format_json(call.body, 1)})")
    given = ", {\n" + "".join(f"  {option},\n" for option in options) + "}" if options else ""
    address = f"`${{process.env.HELISCORE_URL}}{call.path}`"
    if call.answer_type == _STREAM:
        reading = (
            "for await (const text of response.body.pipeThrough(new TextDecoderStream())) console.log(text);"
        )
    else:
        reading = f"console.log(await response.{'json' if call.answer_type == _JSON else 'text'}());"
    return (
        f"const response = await fetch({address}{given});\n"
        f"if (!response.ok) throw new Error(await response.text());\n{reading}"
    )


def format_json(value: Any, depth: int = 0) -> str:
    """Format JSON with what is short on one line, and two blanks for each level."""
    return _format(value, depth, "  ", lambda one: json.dumps(one, ensure_ascii=False))


def _format_python(value: Any, depth: int) -> str:
    words = {True: "True", False: "False", None: "None"}

    def write(one: Any) -> str:
        is_word = one is None or isinstance(one, bool)
        return words[one] if is_word else json.dumps(one, ensure_ascii=False)

    return _format(value, depth, "    ", write)


def _format(value: Any, depth: int, indent: str, write: Any) -> str:
    match value:
        case dict() if value:
            brackets = "{}"
            parts = [f"{write(key)}: {_format(one, depth + 1, indent, write)}" for key, one in value.items()]
        case list() if value:
            brackets = "[]"
            parts = [_format(one, depth + 1, indent, write) for one in value]
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            text: str = write(value)
            return text
    line = brackets[0] + ", ".join(parts) + brackets[1]
    if "\n" not in line and len(line) + len(indent) * depth <= _WIDTH:
        return line
    inner = ",\n".join(f"{indent * (depth + 1)}{part}" for part in parts)
    last = ",\n" if indent == "    " else "\n"
    return f"{brackets[0]}\n{inner}{last}{indent * depth}{brackets[1]}"

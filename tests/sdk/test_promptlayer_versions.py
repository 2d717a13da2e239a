"""PyPI promptlayer, old and new, pointed at the service by the environment alone: the variable's name changed
with 1.0.72."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.sdk.conftest import RunPython
from tests.sdk.told import assert_found


@pytest.mark.parametrize("variable", ["PROMPTLAYER_BASE_URL", "URL_API_PROMPTLAYER"])
async def test_every_call_is_carried_out(
    client: httpx.AsyncClient, run_python: RunPython, request: pytest.FixtureRequest, variable: str
) -> None:
    if variable == "PROMPTLAYER_BASE_URL":
        python = Path(sys.executable)
    else:
        python = request.getfixturevalue("promptlayer_python")
    outcome = await run_python(python, "promptlayer_calls.py", address=variable, key="PROMPTLAYER_API_KEY")
    made = msgspec.json.decode(outcome.output)
    assert made["returned"] == [True] * 5
    await assert_found(client, made["id"], made["group"])

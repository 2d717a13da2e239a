"""`POST /v1/scores/batch?scale=100`: evaluators' fractions become whole numbers."""

from __future__ import annotations

import httpx
import pytest

from tests.api.envelope import faulty, scores_of
from tests.api.test_batch import LINES, PATH, both_modes, errors_at, got, json_and_lines, message_of, taken
from tests.ways_out import MULTIPLY

FEEDBACK = "helicone-score-feedback"
RANGE = "expected at most ±2^53 after multiplying by 100, got"
ANY_RATING = "expected true, false, 1 or 0, got"


async def send(
    client: httpx.AsyncClient, form: str, mode: str, scores: str, scale: str = "100"
) -> httpx.Response:
    """Upload one score map, JSON as it stands."""
    item = f'{{"requestId": "r", "scores": {scores}}}'
    body, headers = (item, LINES) if form == "lines" else (f'{{"items": [{item}]}}', {})
    return await client.post(PATH, content=body, headers=headers, params={"mode": mode, "scale": scale})


@json_and_lines
@both_modes
async def test_numbers_are_multiplied_and_booleans_are_not(
    client: httpx.AsyncClient, form: str, mode: str
) -> None:
    scores = (
        '{"a": 0.285, "b": 0.015, "c": 1, "d": 1.0, "e": -0.5, "f": 1e2, "g": 0.0, "t": true, "u": false,'
    )
    scores += f'"half-hcone-bool": 1, "{FEEDBACK}": 0}}'
    assert got(await send(client, form, mode, scores)) == (200, taken(1))
    stored = {"a": 28, "b": 2, "c": 100, "d": 100, "e": -50, "f": 10_000, "g": 0, "t": 1, "u": 0}
    assert await scores_of(client, "r") == stored | {"half": 1, FEEDBACK: 0}


@json_and_lines
@pytest.mark.parametrize(
    ("scores", "errors"),
    [
        ('{"a": 9e13, "b": 1e14}', [("b", f"{RANGE} 100000000000000.0")]),
        ('{"a": -90071992547410}', [("a", f"{RANGE} -90071992547410")]),
        (f'{{"a": {"9" * 30}}}', [("a", f"{RANGE} an integer of more than 64 bits")]),
        (f'{{"a": {"9" * 100}.5}}', [("a", f"{RANGE} 1e100")]),
        ('{"a": 90071992547409.926}', [("a", f"{RANGE} 90071992547409.92")]),
        ('{"a": "0.5"}', [("a", 'expected an integer or a boolean, got "0.5"')]),
        ('{"a": null}', [("a", "expected an integer or a boolean, got null")]),
        (f'{{"{FEEDBACK}": 0.5}}', [(FEEDBACK, f"{ANY_RATING} 0.5")]),
        ('{"a-hcone-bool": 1.0}', [("a-hcone-bool", f"{ANY_RATING} 1.0")]),
    ],
)
async def test_number_that_cannot_be_scaled_is_named(
    client: httpx.AsyncClient, form: str, scores: str, errors: list[tuple[str, str]]
) -> None:
    named = [(f"scores.{name}", message) for name, message in errors]
    assert got(await send(client, form, "atomic", scores)) == (400, errors_at(0, named))
    assert got(await send(client, form, "partial", scores)) == (200, taken(0, (0, "r", message_of(named))))
    assert (await client.get("/v1/request/r")).status_code == 404


async def test_nan_is_named_as_without_a_scale(client: httpx.AsyncClient) -> None:
    answer = (await send(client, "lines", "partial", '{"a": NaN}')).json()["data"]
    assert (answer["rejected"], "NaN" in answer["errors"][0]["message"]) == (1, True)


@json_and_lines
@pytest.mark.parametrize("scale", ["0", "-1", "1000001", "1.5", "", "ten", "٣", "9999999999"])
async def test_scale_that_is_no_whole_number_is_refused(
    client: httpx.AsyncClient, form: str, scale: str
) -> None:
    response = await send(client, form, "partial", '{"a": 1}', scale)
    shown = scale if scale in ("0", "1000001") else f'"{scale}"'
    message = f"expected an integer from 1 to 1000000, got {shown}"
    assert got(response) == (400, faulty(("scale", message)))


async def test_scale_given_twice_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{PATH}?scale=1&scale=2", content=b"", headers=LINES)
    message = "expected an integer from 1 to 1000000, got an array"
    assert got(response) == (400, faulty(("scale", message)))


@json_and_lines
async def test_fraction_is_refused_without_a_scale_and_on_other_calls(
    client: httpx.AsyncClient, form: str
) -> None:
    item = '{"requestId": "r", "scores": {"a": 0.5}}'
    body, headers = (item, LINES) if form == "lines" else (f'{{"items": [{item}]}}', {})
    unscaled = await client.post(PATH, content=body, headers=headers)
    helicones = await client.post("/v1/request/r/score?scale=100", json={"scores": {"a": 0.5}})
    assert [response.status_code for response in (unscaled, helicones)] == [400, 400]
    assert all(MULTIPLY in response.json()["error"] for response in (unscaled, helicones))


async def test_document_has_the_parameters(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    mode, scale, _ = document["paths"][PATH]["post"]["parameters"]
    assert mode == {
        "name": "mode",
        "in": "query",
        "schema": {"$ref": "#/components/schemas/BatchMode", "default": "atomic"},
    }
    assert document["components"]["schemas"]["BatchMode"] == {"type": "string", "enum": ["atomic", "partial"]}
    assert scale.pop("description").startswith("Numbers, also with fractions, are multiplied by this")
    assert scale == {
        "name": "scale",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    }

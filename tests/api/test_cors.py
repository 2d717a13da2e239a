"""`HELISCORE_CORS_ORIGINS`: which pages of other origins may call from a browser."""

from __future__ import annotations

import httpx
from heliscore.domain.api_key import mint_key

from tests.api.envelope import post
from tests.conftest import StartService

ORIGIN = "https://app.example.org"
OTHER = "https://evil.example.org"
FEEDBACK = "/v1/request/r/feedback"
RATING = {"rating": True}
SENT = "authorization, content-type, helicone-auth, heliscore-author, idempotency-key"
LIMIT = 9


def cors(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


async def preflight(client: httpx.AsyncClient, path: str, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": SENT}
    return await client.options(path, headers={"Origin": origin, **asked})


async def test_no_origin_is_allowed_by_default(client: httpx.AsyncClient) -> None:
    assert (await preflight(client, FEEDBACK, ORIGIN)).status_code == 405
    response = await client.post(FEEDBACK, json=RATING, headers={"Origin": ORIGIN})
    assert (response.status_code, cors(response)) == (200, {})
    assert "Origin" not in response.headers["vary"]


async def test_pages_of_named_origins_call_and_read_errors(start_service: StartService) -> None:
    service = await start_service(cors_origins=f"https://other.example.org, {ORIGIN}", rate_limit=LIMIT)
    anonymous, client = await service.client(key=""), await service.client()
    rater = await service.client(permissions="f")

    allowed = await preflight(anonymous, FEEDBACK, ORIGIN)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in allowed.headers
    assert set(SENT.split(", ")) <= set(allowed.headers["access-control-allow-headers"].lower().split(", "))
    methods = allowed.headers["access-control-allow-methods"].split(", ")
    assert methods == ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    assert "x-request-id" in allowed.headers
    for path, origin in ((FEEDBACK, OTHER), (FEEDBACK, "null"), (FEEDBACK, f"{ORIGIN}:8443")):
        refused = await preflight(anonymous, path, origin)
        assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (400, None)

    read = (
        "Helicone-Id, Idempotent-Replayed, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
        "Retry-After, X-Request-Id"
    )
    readable = {"access-control-allow-origin": ORIGIN, "access-control-expose-headers": read}
    await post(client, "r", {"accuracy": 95})
    from_page = {"Origin": ORIGIN}
    stranger = await service.client(key=mint_key())
    answers = [
        (200, await rater.post(FEEDBACK, json=RATING, headers=from_page)),
        (400, await rater.post(FEEDBACK, json={}, headers=from_page)),
        (401, await stranger.post(FEEDBACK, json=RATING, headers=from_page)),
        (403, await rater.get("/v1/request/r", headers=from_page)),
        (404, await client.get("/v1/request/nope", headers=from_page)),
        (405, await client.get(FEEDBACK, headers=from_page)),
    ]
    while (response := await rater.post(FEEDBACK, json=RATING, headers=from_page)).status_code == 200:
        assert len(answers) < 20
        answers.append((200, response))
    answers.append((429, response))
    for status, answer in answers:
        assert (answer.status_code, cors(answer)) == (status, readable)
        assert answer.headers["vary"] == "Origin, Authorization, Helicone-Auth, X-API-KEY"
    elsewhere = await client.get("/v1/request/r", headers={"Origin": OTHER})
    assert (elsewhere.status_code, "access-control-allow-origin" in elsewhere.headers) == (200, False)

    from_server = await client.get("/v1/request/r")
    assert (cors(from_server), from_server.headers["vary"]) == ({}, "Authorization, Helicone-Auth, X-API-KEY")

    # The dashboard, whose session is a cookie, stays with its own origin.
    for path in ("/", "/sign-in", "/requests", "/static/page.js"):
        assert cors(await anonymous.get(path, headers=from_page)) == {}
        assert cors(await preflight(anonymous, path, ORIGIN)) == {}


async def test_every_origin_may_call_where_the_setting_says_so(start_service: StartService) -> None:
    service = await start_service(cors_origins="*")
    client = await service.client()
    assert cors(await preflight(client, FEEDBACK, OTHER))["access-control-allow-origin"] == "*"
    response = await client.post(FEEDBACK, json=RATING, headers={"Origin": OTHER})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in response.headers

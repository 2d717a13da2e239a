from __future__ import annotations

import time
from http.cookies import SimpleCookie

import asyncpg
import httpx
import pytest
from heliscore.dashboard.parts.session import COOKIE, LIFETIME_S, local_path, make_signer
from heliscore.domain.api_key import hash_key
from heliscore.store import keys, signing_secrets
from itsdangerous import TimestampSigner

from tests.conftest import Service, StartService
from tests.dashboard.conftest import SignIn, csrf_token

ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id of a forged session."""


async def read_secret(service: Service) -> bytes:
    connection = await asyncpg.connect(service.dsn)
    try:
        return await signing_secrets.find(connection, "session")
    finally:
        await connection.close()


async def opens(address: str, cookie: str) -> bool:
    """Whether a cookie opens a page, wherever it comes from."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        response = await client.get("/", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert response.status_code == 200 or sent_to_sign_in(response)
    return response.status_code == 200


def sent_to_sign_in(response: httpx.Response) -> bool:
    return response.status_code == 303 and response.headers["location"] == "/sign-in"


async def test_signing_in_leads_to_the_overview_of_the_keys_organization(
    service: Service, visitor: httpx.AsyncClient
) -> None:
    key = await service.make_key("Acme <support>")
    response = await visitor.post("/sign-in", data={"key": f" {key} ", "next": "/"})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    page = await visitor.get("/")
    assert page.status_code == 200
    assert "<h1>Overview</h1>" in page.text
    assert "Acme &lt;support&gt;" in page.text
    assert "Acme <support>" not in page.text


async def test_the_cookie_is_kept_from_scripts_and_foreign_forms_and_holds_no_key(
    service: Service, visitor: httpx.AsyncClient
) -> None:
    key = await service.make_key()
    response = await visitor.post("/sign-in", data={"key": key})
    cookie = SimpleCookie(response.headers["set-cookie"])[COOKIE]
    attributes = {name: value for name, value in cookie.items() if value}
    assert attributes == {"httponly": True, "max-age": str(LIFETIME_S), "path": "/", "samesite": "lax"}
    assert key not in cookie.value
    assert hash_key(key).hex() not in cookie.value


async def test_the_cookie_is_secure_where_the_browser_is_on_https(
    service: Service, visitor: httpx.AsyncClient
) -> None:
    origin = f"https://{visitor.base_url.netloc.decode()}"
    data = {"key": await service.make_key()}
    response = await visitor.post("/sign-in", data=data, headers={"Origin": origin})
    assert SimpleCookie(response.headers["set-cookie"])[COOKIE]["secure"] is True


async def test_a_bad_key_is_told_and_gets_no_cookie(visitor: httpx.AsyncClient) -> None:
    unknown = "This API key is not valid: it is unknown, revoked or expired."
    for key, status, words in (
        ("", 400, "Enter an API key."),
        ("sk-wrong", 401, unknown),
        ("schlüssel😀\0", 401, unknown),
    ):
        response = await visitor.post("/sign-in", data={"key": key, "next": "/x?y=1"})
        assert response.status_code == status
        assert f'role="alert">{words}</p>' in response.text
        assert 'name="next" value="/x?y=1"' in response.text
        assert "set-cookie" not in response.headers


async def test_a_key_that_may_not_read_is_refused(service: Service, visitor: httpx.AsyncClient) -> None:
    response = await visitor.post("/sign-in", data={"key": await service.make_key(permissions="w")})
    assert response.status_code == 403
    assert "may only write scores" in response.text
    response = await visitor.post("/sign-in", data={"key": await service.make_key(permissions="f")})
    assert response.status_code == 403
    assert "may only send ratings" in response.text
    assert "set-cookie" not in response.headers


async def test_a_key_that_may_not_write_is_shown_as_read_only(sign_in: SignIn) -> None:
    reader = await sign_in(permissions="r")
    writer = await sign_in(permissions="rw")
    assert ">read-only</span>" in (await reader.get("/")).text
    assert ">read-only</span>" not in (await writer.get("/")).text


async def test_without_a_session_a_page_leads_to_sign_in_and_back(
    service: Service, visitor: httpx.AsyncClient
) -> None:
    response = await visitor.get("/?range=30d&model=a%26b")
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=/%3Frange%3D30d%26model%3Da%2526b"
    form = await visitor.get(response.headers["location"])
    assert 'name="next" value="/?range=30d&amp;model=a%26b"' in form.text
    data = {"key": await service.make_key(), "next": "/?range=30d&model=a%26b"}
    response = await visitor.post("/sign-in", data=data)
    assert response.headers["location"] == "/?range=30d&model=a%26b"


async def test_signing_in_never_leads_elsewhere(service: Service, visitor: httpx.AsyncClient) -> None:
    key = await service.make_key()
    for target in (
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\r\nSet-Cookie: a=b",
        "//[",
    ):
        assert (await visitor.post("/sign-in", data={"key": key, "next": target})).headers["location"] == "/"
        assert (await visitor.get("/sign-in", params={"next": target})).headers["location"] == "/"


def test_local_path_keeps_paths_and_queries() -> None:
    for path in ("/", "/requests", "/requests/a%2Fb?next=https://a.example/#x", "/?q=//a"):
        assert local_path(path) == path


async def test_who_is_signed_in_is_not_asked_again(sign_in: SignIn) -> None:
    client = await sign_in()
    response = await client.get("/sign-in?next=/docs")
    assert (response.status_code, response.headers["location"]) == (303, "/docs")


async def test_signing_out_ends_the_session(sign_in: SignIn) -> None:
    client = await sign_in()
    response = await client.post("/sign-out", data={"csrf": await csrf_token(client)})
    assert sent_to_sign_in(response)
    assert COOKIE not in client.cookies
    assert sent_to_sign_in(await client.get("/"))


async def test_a_copied_cookie_ends_with_the_session_in_every_process(start_service: StartService) -> None:
    one, two = await start_service(), await start_service()
    key = await one.make_key()
    async with (
        httpx.AsyncClient(base_url=one.address, timeout=30) as mine,
        httpx.AsyncClient(base_url=one.address, timeout=30) as others,
    ):
        for client in (mine, others):
            await client.post("/sign-in", data={"key": key})
        copied = mine.cookies[COOKIE]
        assert [await opens(service.address, copied) for service in (one, two)] == [True, True]
        await mine.post("/sign-out", data={"csrf": await csrf_token(mine)})
        assert [await opens(service.address, copied) for service in (one, two)] == [False, False]
        assert await opens(two.address, others.cookies[COOKIE])


async def test_ended_sessions_are_forgotten_when_their_cookies_have_expired(
    service: Service, sign_in: SignIn
) -> None:
    connection = await asyncpg.connect(service.dsn)
    for _ in range(2):
        await connection.execute("UPDATE ended_session SET expires_at = now() - interval '1 second'")
        client = await sign_in()
        token = await csrf_token(client)
        await client.post("/sign-out", data={"csrf": token})
        assert [id_ for (id_,) in await connection.fetch("SELECT id FROM ended_session")] == [token]
    await connection.close()


async def test_a_rotated_secret_ends_all_sessions_at_once(service: Service, sign_in: SignIn) -> None:
    client = await sign_in()
    connection = await asyncpg.connect(service.dsn)
    await signing_secrets.rotate(connection, "body_url")
    assert (await client.get("/")).status_code == 200
    await signing_secrets.rotate(connection, "session")
    await connection.close()
    assert sent_to_sign_in(await client.get("/"))
    assert (await (await sign_in()).get("/")).status_code == 200


async def test_a_cookie_forged_from_the_hash_of_a_key_is_no_session(service: Service) -> None:
    made = (await (await service.client()).post("/v1/api-keys", json={"api_key_name": "made"})).json()
    key_hash = bytes.fromhex(made["hashedKey"])
    for secret in (key_hash, b"", b"heliscore session"):
        signed = make_signer(secret, key_hash).sign(ID).decode()
        assert not await opens(service.address, f"{made['id']}.{signed}")
    signed = make_signer(await read_secret(service), key_hash).sign(ID).decode()
    assert await opens(service.address, f"{made['id']}.{signed}")


async def test_tampered_and_forged_cookies_are_no_session(service: Service, sign_in: SignIn) -> None:
    mine, other = await sign_in("mine"), await sign_in("other")
    good, others = mine.cookies[COOKIE], other.cookies[COOKIE]
    number, _, token = good.partition(".")
    forged = make_signer(await read_secret(service), hash_key("sk-guessed")).sign(ID).decode()
    bad = [
        "",
        number,
        token,
        f"{number}.",
        f"{number}.{token[:-2]}",
        f"{number}.{token[::-1]}",
        f"{number}.{forged}",
        f"{others.partition('.')[0]}.{token}",
        f"0.{token}",
        f"-{number}.{token}",
        f"99999.{token}",
        f"4294967297.{token}",
        f"99999999999999999999.{token}",
        f"{number}.x{token}",
    ]
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as client:
        for value in bad:
            response = await client.get("/", headers={"Cookie": f"{COOKIE}={value}"})
            assert sent_to_sign_in(response), value
        assert (await client.get("/", headers={"Cookie": f"{COOKIE}={good}"})).status_code == 200


async def test_a_session_ends_after_12_hours(service: Service, visitor: httpx.AsyncClient) -> None:
    key = await service.make_key()
    connection = await asyncpg.connect(service.dsn)
    principal = await keys.find(connection, hash_key(key))
    await connection.close()
    assert principal is not None
    secret = await read_secret(service)

    def cookie_of_age(age_s: int) -> str:
        class Aged(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(time.time()) - age_s

        signer = make_signer(secret, hash_key(key))
        signer.__class__ = Aged
        return f"{principal.key_id}.{signer.sign(ID).decode()}"

    young, old = cookie_of_age(LIFETIME_S - 60), cookie_of_age(LIFETIME_S + 60)
    assert (await visitor.get("/", headers={"Cookie": f"{COOKIE}={young}"})).status_code == 200
    assert sent_to_sign_in(await visitor.get("/", headers={"Cookie": f"{COOKIE}={old}"}))


@pytest.mark.parametrize(
    "change", ["revoked_at = now()", "expires_at = now() - interval '1 second'"], ids=["revoked", "expired"]
)
async def test_a_session_ends_with_its_key(service: Service, sign_in: SignIn, change: str) -> None:
    client = await sign_in()
    assert (await client.get("/")).status_code == 200
    connection = await asyncpg.connect(service.dsn)
    await connection.execute(f"UPDATE api_key SET {change}")
    await connection.close()
    assert sent_to_sign_in(await client.get("/"))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("revoked_at", "was revoked on 02 Nov 2026 at 09:30 UTC."),
        ("expires_at", "expired on 02 Nov 2026 at 09:30 UTC."),
    ],
    ids=["revoked", "expired"],
)
async def test_sign_in_says_how_the_session_ended(
    service: Service, sign_in: SignIn, column: str, words: str
) -> None:
    client = await sign_in()
    connection = await asyncpg.connect(service.dsn)
    hint = await connection.fetchval(f"UPDATE api_key SET {column} = '2026-11-02 09:30Z' RETURNING hint")
    await connection.close()
    page = (await client.get((await client.get("/")).headers["location"])).text
    assert f'role="status">You are signed out: the API key test {hint} {words}</p>' in page
    forged = {COOKIE: client.cookies[COOKIE][:-2] + "xx"}
    async with httpx.AsyncClient(base_url=service.address, timeout=30, cookies=forged) as other:
        page = (await other.get("/sign-in")).text
    assert 'role="status">Your session has ended.</p>' in page
    assert hint not in page


async def test_sign_in_says_nothing_to_who_was_not_signed_in(
    sign_in: SignIn, visitor: httpx.AsyncClient
) -> None:
    client = await sign_in()
    await client.post("/sign-out", data={"csrf": await csrf_token(client)})
    for one in (client, visitor):
        assert 'role="status"' not in (await one.get("/sign-in")).text.partition('id="notices"')[0]


async def test_a_session_is_good_in_every_process(start_service: StartService) -> None:
    one, two = await start_service(), await start_service()
    async with (
        httpx.AsyncClient(base_url=one.address, timeout=30) as first,
        httpx.AsyncClient(base_url=two.address, timeout=30) as second,
    ):
        await first.post("/sign-in", data={"key": await one.make_key()})
        cookie = {"Cookie": f"{COOKIE}={first.cookies[COOKIE]}"}
        assert (await second.get("/", headers=cookie)).status_code == 200


async def test_a_change_without_the_sessions_token_is_refused(sign_in: SignIn) -> None:
    client = await sign_in()
    for data in ({}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": "schlüssel"}):
        response = await client.post("/sign-out", data=data)
        assert response.status_code == 403
        assert "This page is out of date" in response.text
    assert (await client.get("/")).status_code == 200


async def test_the_token_of_another_session_is_refused(sign_in: SignIn) -> None:
    mine, other = await sign_in(), await sign_in()
    response = await mine.post("/sign-out", data={"csrf": await csrf_token(other)})
    assert response.status_code == 403


async def test_scripts_send_the_token_as_a_header(sign_in: SignIn) -> None:
    client = await sign_in()
    response = await client.post("/sign-out", headers={"X-CSRF-Token": await csrf_token(client)})
    assert sent_to_sign_in(response)


async def test_a_change_from_another_site_is_refused(service: Service, sign_in: SignIn) -> None:
    client = await sign_in()
    data = {"csrf": await csrf_token(client), "key": await service.make_key()}
    for name, value in (
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ):
        for path in ("/sign-out", "/sign-in"):
            response = await client.post(path, data=data, headers={name: value})
            assert response.status_code == 403
            assert "another site" in response.text
            assert "set-cookie" not in response.headers


async def test_a_form_that_is_no_text_is_refused(visitor: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"key=%ff", b"key=\xff", b"a&" * 2000):
        response = await visitor.post("/sign-in", content=body, headers=headers)
        assert response.status_code == 400


async def test_a_form_is_bounded(visitor: httpx.AsyncClient) -> None:
    response = await visitor.post("/sign-in", data={"key": "k" * (1 << 20)})
    assert response.status_code == 413

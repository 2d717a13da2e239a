"""The pages of the settings, without script."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from heliscore import __version__
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import read_migrations

from tests.conftest import Service, StartService
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_tables, read_text

KEYS = "/settings/keys"
KEY = re.compile(r'id="secret">(sk-helicone(?:-[a-z0-9]{7}){4})<')


async def make_key(visitor: httpx.AsyncClient, **fields: str) -> httpx.Response:
    data = {
        "csrf": await csrf_token(visitor),
        "api_key_name": "Grace",
        "key_permissions": "rw",
        "days": "",
        "author": "",
        **fields,
    }
    return await visitor.post(KEYS, data=data)


async def test_settings_begin_with_the_keys(sign_in: SignIn) -> None:
    visitor = await sign_in()
    assert '<li><a href="/settings">Settings</a></li>' in (await visitor.get("/")).text
    response = await visitor.get("/settings")
    assert (response.status_code, response.headers["location"]) == (303, KEYS)
    page = (await visitor.get(KEYS)).text
    side = re.findall(r'<nav class="side".*?</nav>', page, re.DOTALL)[0]
    assert re.findall(r'href="([^"]+)"( aria-current="page")?>([^<]+)', side) == [
        (KEYS, ' aria-current="page"', "API keys"),
        ("/scores", "", "Score definitions"),
        ("/monitors", "", "Monitors"),
        ("/settings/destinations", "", "Destinations"),
        ("/settings/usage", "", "Usage"),
        ("/settings/about", "", "About"),
    ]


async def test_key_for_a_colleague_is_made_shown_once_and_revoked(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    visitor = await sign_in()
    csrf = await csrf_token(visitor)
    await visitor.post("/reviewer", data={"csrf": csrf, "name": "ada", "next": "/"})
    made = await make_key(visitor, days="30", author="human:grace")
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    [key] = KEY.findall(made.text)
    own, grace = await connection.fetch("SELECT * FROM api_key ORDER BY id")
    assert abs(grace["expires_at"] - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)

    page = (await visitor.get(KEYS)).text
    assert key not in page
    day, end = (f"{time:%d %b %Y}" for time in (grace["created_at"], grace["expires_at"]))
    first, second = f"{grace['name']} {grace['hint']}", f"test {own['hint']} yours"
    assert read_tables(page) == [
        [
            ["Key", "May", "Author", "Made by", "Created", "Ends"],
            [first, "view, score and manage", "human:grace", "ada", day, end],
            [second, "view, score and manage", "api:test", "an operator", day, "never"],
        ]
    ]
    holder = await service.client(key=key)
    assert (await holder.get("/v1/api-keys")).status_code == 200
    audit = "SELECT actor, key_id, person, action, subject ->> 'key' FROM audit_entry ORDER BY id"
    by = ("session", own["id"], "human:ada")
    assert list(map(tuple, await connection.fetch(audit)))[1:] == [(*by, "key.made", str(grace["id"]))]

    path = f"{KEYS}/{grace['id']}"
    asked = (await visitor.get(path)).text
    assert "Revoke this key?" in asked
    assert "signed out" not in asked
    data = {"csrf": csrf, "api_key_name": "Grace H.", "author": ""}
    assert (await visitor.post(path, data=data)).headers["location"] == KEYS
    assert read_tables((await visitor.get(KEYS)).text)[0][1][:3] == [
        f"Grace H. {grace['hint']}",
        "view, score and manage",
        "human:grace",
    ]
    revoked = await visitor.post(path, data={"csrf": csrf, "act": "revoke"})
    assert (revoked.status_code, revoked.headers["location"]) == (303, KEYS)
    assert list(map(tuple, await connection.fetch(audit)))[2:] == [(*by, "key.revoked", str(grace["id"]))]
    table = read_tables((await visitor.get(KEYS)).text)[0]
    assert [row[0] for row in table[1:]] == [second, f"Grace H. {grace['hint']}"]
    assert table[2][-1] == f"revoked {day}"
    assert "Revoke this key?" not in (await visitor.get(path)).text


async def test_key_that_another_made_names_it_and_ones_own_warns(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    visitor = await sign_in()
    client = await service.client()
    id_ = (await client.post("/v1/api-keys", json={"api_key_name": "judge"})).json()["id"]
    hints = {row["id"]: row["hint"] for row in await connection.fetch("SELECT id, hint FROM api_key")}
    own, maker, judge = sorted(hints)
    assert judge == id_
    table = read_tables((await visitor.get(KEYS)).text)[0]
    assert [row[3] for row in table[1:]] == [f"test {hints[maker]}", "an operator", "an operator"]
    assert "signed out at once" in (await visitor.get(f"{KEYS}/{own}")).text


async def test_form_of_a_key_says_what_is_wrong_beside_the_field(sign_in: SignIn) -> None:
    visitor = await sign_in()
    answer = await make_key(visitor, api_key_name="", key_permissions="all", author="ada")
    assert answer.status_code == 400
    errors = re.findall(r'<p id="(\w+)-error" class="error" role="alert">(.*?)</p>', answer.text)
    assert {field: read_text(message) for field, message in errors} == {
        "api_key_name": "must not be empty",
        "key_permissions": 'expected "rw", "r", "w" or "f", got "all"',
        "author": "expected KIND:NAME or KIND:NAME@VERSION, where KIND is human, judge, code or api, "
        'got "ada"',
    }
    assert "expected one of the choices" in (await make_key(visitor, days="1")).text
    assert len(read_tables((await visitor.get(KEYS)).text)[0]) == 2


async def test_reader_and_other_organization_see_keys_of_their_own_and_change_none(
    sign_in: SignIn, connection: Connection
) -> None:
    await sign_in("other")
    reader, writer = await sign_in(permissions="r"), await sign_in()
    id_ = await connection.fetchval("SELECT min(id) FROM api_key")
    page = (await reader.get(KEYS)).text
    assert "Your API key can view keys, not make or revoke them." in page
    assert len(read_tables(page)[0]) == 3
    assert (await make_key(reader)).status_code == 403
    for path in (f"{KEYS}/{id_}", f"{KEYS}/99999", f"{KEYS}/99999999999", f"{KEYS}/x"):
        assert (await writer.get(path)).status_code == 404
        data = {"csrf": await csrf_token(writer), "act": "revoke"}
        assert (await writer.post(path, data=data)).status_code == 404
    assert await connection.fetchval("SELECT count(*) FROM api_key WHERE revoked_at IS NOT NULL") == 0


async def test_usage_counts_requests_and_scores_by_month(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    visitor = await sign_in()
    client, other = await service.client(), await service.client("other")
    for number in range(5):
        scores = {"a": number, "b": 1} if number else {"a": 1}
        await client.post(f"/v1/request/r{number}/score", json={"scores": scores})
        await other.post(f"/v1/request/r{number}/score", json={"scores": {"a": 1}})
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    times = (first, first - timedelta(milliseconds=1), first - timedelta(days=800))
    for number, time in enumerate(times):
        where = "request_id = $2 AND organization_id = (SELECT min(id) FROM organization)"
        no = await connection.fetchval(
            f"UPDATE request SET created_at = $1 WHERE {where} RETURNING request_no", time, f"r{number}"
        )
        await connection.execute("UPDATE score SET request_created_at = $1 WHERE request_no = $2", time, no)

    def row(title: str, requests: int, scores: int) -> list[str]:
        return [title, str(requests), str(scores), "not known yet"]

    page = (await visitor.get("/settings/usage")).text
    [table] = read_tables(page)
    assert table[:3] == [
        ["Month", "Requests", "Scores", "About"],
        row(f"{first:%B %Y}", 3, 5),
        row(f"{times[1]:%B %Y}", 1, 2),
    ]
    assert {tuple(cells[1:]) for cells in table[3:-2]} == {("0", "0", "not known yet")}
    assert table[-2:] == [row("Earlier", 1, 2), row("All", 5, 9)]
    assert len(table) == 1 + 12 + 2
    await connection.execute("ANALYZE request, score")
    [table] = read_tables((await visitor.get("/settings/usage")).text)
    assert re.fullmatch(r"[\d.]+ [kM]B", table[1][3])
    csv = (await visitor.get("/settings/usage?download=csv")).text.splitlines()
    assert csv[0] == "month,requests,scores,bytes (estimate)"
    assert csv[1].startswith(f"{first:%Y-%m},3,5,")
    assert csv[13].startswith("earlier,1,2,")


async def test_usage_says_what_was_not_counted_in_time(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliscore.dashboard.pages.usage._TIMEOUT_S", 0)
    page = (await (await sign_in()).get("/settings/usage")).text
    [table] = read_tables(page)
    assert {tuple(cells[1:]) for cells in table[1:-1]} == {("not counted in time",)}
    assert table[-1][0] == "Counted"
    assert "Counting stops after two seconds." in page


async def test_about_names_versions_database_and_settings_without_secrets(
    start_service: StartService, connection: Connection
) -> None:
    service = await start_service(
        gateway_targets="https://api.openai.com",
        gateway_keys="https://api.openai.com=sk-secret-of-ours",
        smtp_url="smtp://ada:hidden@mail.example.org:587?from=ada@example.org",
        retention_days=90,
    )
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as visitor:
        await visitor.post("/sign-in", data={"key": await service.make_key(permissions="r")})
        page = (await visitor.get("/settings/about")).text
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    shown = {read_text(name).strip(): read_text(value).strip() for name, value in facts}
    database = await connection.fetchval("SELECT current_database()")
    assert shown["Heliscore"] == __version__
    assert re.fullmatch(rf"{database}, [\d.]+ MB of all organizations", shown["Database"])
    assert shown["Schema"] == f"{read_migrations()[-1].name} up to date"
    assert shown["HELISCORE_RETENTION_DAYS"] == "90"
    assert shown["HELISCORE_SMTP_URL"] == "set: e-mail is sent"
    assert shown["HELISCORE_GATEWAY_TARGETS"] == "https://api.openai.com"
    assert "secret" not in page
    assert "hidden@" not in page

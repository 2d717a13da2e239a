from __future__ import annotations

import json
import re
from urllib.parse import quote, urlsplit

from heliscore.domain.score import FEEDBACK
from heliscore.store.schema import bootstrap
from playwright.async_api import Dialog, Locator, Page, expect

from tests.browser.chromium import sign_in
from tests.browser.conftest import AssertAccessible, OpenPage, StartGround
from tests.browser.ground import Ground
from tests.browser.watch import Watch

OLDEST_FIRST = f"sort={quote(json.dumps({'created_at': 'asc'}))}"


async def stored(ground: Ground) -> dict[str, dict[str, tuple[int, bool]]]:
    """The scores in the database, by request and name: value, and whether it is a boolean."""
    connection = await bootstrap.connect(ground.dsn)
    rows = await connection.fetch(
        "SELECT r.request_id, n.name, s.value, s.is_boolean IS TRUE FROM score AS s "
        "JOIN request AS r USING (organization_id, request_no) JOIN score_name AS n ON n.id = s.name_id"
    )
    await connection.close()
    found: dict[str, dict[str, tuple[int, bool]]] = {}
    for request_id, name, value, is_boolean in rows:
        found.setdefault(request_id, {})[name] = (value, is_boolean)
    return found


async def reviewing(open_page: OpenPage, ground: Ground, number: int = 0, search: str = OLDEST_FIRST) -> Page:
    """A reviewer's page, opened from the table at the request of that number."""
    page = await open_page(ground)
    await enter(page, await ground.make_key())
    await page.goto(f"/requests?{search}")
    await page.locator("#rows th.what a").nth(number).click()
    await expect(page.locator("#save-next")).to_be_visible()
    return page


async def enter(page: Page, key: str) -> None:
    """Sign in by a call, without a look at the page that it leads to."""
    response = await page.request.post("/sign-in", form={"key": key}, max_redirects=0)
    assert response.status == 303


async def listed(page: Page) -> list[str]:
    """The requests of the table that led here, in order."""
    queue = await page.evaluate("JSON.parse(sessionStorage.getItem('heliscore.queue'))")
    return [urlsplit(address).path.removeprefix("/requests/") for address in queue]


async def at(page: Page, request_id: str) -> None:
    await page.wait_for_url(re.compile(f"/requests/{request_id}[?]"))
    await expect(page.locator(".heading code")).to_have_text(request_id)


async def press(page: Page, keys: str) -> int:
    """Press keys one after the other without waiting for anything, and tell how many those were."""
    for key in keys.split():
        await page.keyboard.press(key)
    return len(keys.split())


def state(page: Page, name: str) -> Locator:
    """What is said beside a score."""
    return page.locator(f'form[data-name="{name}"] .score-state')


async def test_reviewer_scores_with_three_keys_a_request(
    start_ground: StartGround, open_page: OpenPage
) -> None:
    ground = await start_ground(20)
    before = await stored(ground)
    page = await reviewing(open_page, ground)
    ids = await listed(page)
    assert len(ids) == 20
    scores = [41 + number for number in range(12)]
    pressed = 0
    for score in scores:
        # As fast as they come: nothing waits for the page.
        pressed += await press(page, f"{score // 10} {score % 10} Enter")
    await at(page, ids[12])
    assert pressed == 3 * len(scores)
    after = await stored(ground)
    for request_id, score in zip(ids, scores, strict=False):
        assert after[request_id] == before.get(request_id, {}) | {"accuracy": (score, False)}
    assert {id_: after.get(id_) for id_ in ids[12:]} == {id_: before.get(id_) for id_ in ids[12:]}
    await press(page, "k")
    await at(page, ids[11])
    await expect(page.get_by_label("accuracy", exact=True)).to_have_value("52")
    await press(page, "j j")
    await at(page, ids[13])


async def test_keys_answer_yes_and_no_thumbs_and_steps(
    start_ground: StartGround, open_page: OpenPage, assert_accessible: AssertAccessible
) -> None:
    ground = await start_ground(20)
    page = await reviewing(open_page, ground, 5)
    ids = await listed(page)
    await press(page, "u")
    await expect(state(page, FEEDBACK)).to_have_text("Saved")
    await press(page, "7 7 ArrowUp ArrowUp ArrowDown Tab 3 0 Tab")
    # Tab has gone over a score with yes and no.
    await press(page, "n")
    await expect(state(page, "has_citations")).to_have_text("Saved")
    await assert_accessible(page)
    await press(page, "Tab y Enter")
    await at(page, ids[6])
    given = (await stored(ground))[ids[5]]
    assert given == {
        FEEDBACK: (1, True),
        "accuracy": (78, False),
        "faithfulness": (30, False),
        "has_citations": (0, True),
        "is_hallucinated": (1, True),
        "relevance": (82, False),
    }
    await press(page, "d")
    await expect(state(page, FEEDBACK)).to_have_text("Saved")
    assert (await stored(ground))[ids[6]][FEEDBACK] == (0, True)


async def test_keys_never_fire_in_a_text_field_nor_when_they_are_switched_off(
    start_ground: StartGround, open_page: OpenPage
) -> None:
    ground = await start_ground(5)
    before = await stored(ground)
    page = await reviewing(open_page, ground)
    here = page.url
    await page.get_by_label("Name of another score").focus()
    await press(page, "j k u d y n 1 ?")
    assert await page.get_by_label("Name of another score").input_value() == "jkudyn1?"
    await page.get_by_role("heading", level=1).focus()
    await press(page, "Control+j Alt+k")
    await press(page, "?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await press(page, "u j")
    await page.get_by_label("Use single keys").uncheck()
    await press(page, "Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("heading", level=1).focus()
    await press(page, "j u 5 ?")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url == here
    assert await stored(ground) == before


async def test_scores_are_added_removed_brought_back_and_found(
    start_ground: StartGround, open_page: OpenPage, assert_accessible: AssertAccessible, watch: Watch
) -> None:
    ground = await start_ground(5)
    page = await reviewing(open_page, ground, 1)
    request_id = (await listed(page))[1]
    before = (await stored(ground))[request_id]
    for name in ("accuracy", "is_hallucinated"):
        form = page.locator(f'form[data-name="{name}"]')
        await form.locator(".score-remove").click()
        await expect(state(page, name)).to_have_text("Removed. Undo")
        assert name not in (await stored(ground))[request_id]
        await form.get_by_role("button", name="Undo").click()
        await expect(state(page, name)).to_have_text("Saved")
    assert (await stored(ground))[request_id] == before
    await page.get_by_label("accuracy", exact=True).focus()
    await press(page, "Backspace Enter")
    await expect(state(page, "accuracy")).to_have_text("Removed. Undo")
    await page.get_by_label("Name of another score").fill("tone")
    await page.get_by_label("Its value").fill("very")
    watch.expect("status of 400")
    await page.get_by_role("button", name="Add").click()
    reason = page.locator("#new-score .score-state")
    await expect(reason).to_contain_text('tone: expected an integer or a boolean, got "very"')
    await page.get_by_label("Its value").fill("yes")
    await page.get_by_role("button", name="Add").click()
    await expect(page.locator('form[data-name="tone"] input:checked')).to_have_value("true")
    after = (await stored(ground))[request_id]
    assert after == {name: value for name, value in before.items() if name != "accuracy"} | {
        "tone": (1, True)
    }
    many = {f"rag.{n:02}": n for n in range(12)}
    for other in (request_id, (await listed(page))[2]):
        score = await page.request.post(
            f"/v1/request/{other}/score",
            headers={"Authorization": f"Bearer {await ground.make_key()}"},
            data={"scores": many if other == request_id else {"rare": 1}},
        )
        assert score.status == 200
    await page.reload()
    await assert_accessible(page)
    await press(page, "/")
    await page.keyboard.type("RAG 1")
    await expect(page.locator("#fields form:visible")).to_have_count(3)
    await expect(page.locator("#others")).to_be_hidden()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("rar")
    await expect(page.locator("#fields form:visible, .score-group:visible")).to_have_count(0)
    # The first that is found: a score that is not given gets its field.
    await press(page, "Enter 7 Control+Enter")
    await expect(state(page, "rare")).to_have_text("Saved")
    assert (await stored(ground))[request_id]["rare"] == (7, False)
    bar = await page.locator("#save-all").bounding_box()
    assert bar
    assert bar["y"] + bar["height"] <= 720


async def test_keys_comment_undo_and_unfold_the_history(
    start_ground: StartGround, open_page: OpenPage, assert_accessible: AssertAccessible
) -> None:
    ground = await start_ground(5)
    page = await reviewing(open_page, ground, 1)
    ids = await listed(page)
    before = (await stored(ground))[ids[1]]
    await page.locator("main").get_by_label("Your name").fill("ada")
    await press(page, "Enter")
    await expect(page.get_by_title("The author of the scores that you give")).to_have_text("ada")
    about = page.locator('form[data-name="accuracy"] .score-about')
    await press(page, "6 1 c")
    await page.keyboard.type("junk jumps")
    await press(page, "Control+Enter")
    await expect(state(page, "accuracy")).to_have_text("Saved")
    await expect(about.locator("> p").first).to_contain_text("61 by human:ada")
    await expect(about.locator("> .why")).to_have_text("junk jumps")
    await expect(about.locator("ol")).to_be_hidden()
    await press(page, "h")
    await expect(about.locator("ol > li").first).to_contain_text("61 replaced by human:ada")
    await assert_accessible(page)
    await press(page, "z")
    await expect(about.locator("> p").first).to_contain_text("restored by human:ada")
    assert (await stored(ground))[ids[1]] == before
    await press(page, "c x Escape z")
    await expect(state(page, "accuracy")).to_have_text("Nothing of yours to undo")
    # As fast as they come: the letters belong to the comment, though the next request is still to come.
    await press(page, "6 2 Enter 6 3 c d u n k Control+Enter")
    await expect(about.locator("> .why")).to_have_text("dunk")
    after = await stored(ground)
    assert [after[id_]["accuracy"] for id_ in ids[1:3]] == [(62, False), (63, False)]
    assert after[ids[2]].get(FEEDBACK) == before.get(FEEDBACK) or FEEDBACK not in after[ids[2]]


async def test_what_cannot_be_saved_keeps_its_place_until_it_can(
    start_ground: StartGround, open_page: OpenPage, watch: Watch
) -> None:
    ground = await start_ground(5)
    page = await reviewing(open_page, ground, 1)
    ids = await listed(page)
    ground.stop()
    watch.expect("ERR_CONNECTION_REFUSED")
    await press(page, "6 1 Enter")
    place = state(page, "accuracy")
    await expect(place).to_have_text("Not saved: the server cannot be reached. try again")
    await page.get_by_role("heading", level=1).focus()
    await press(page, "j")
    await expect(place).to_contain_text("Not saved yet")
    await at(page, ids[1])
    await expect(page.get_by_label("accuracy", exact=True)).to_have_value("61")
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.evaluate("location.reload()")
    await expect(page.get_by_label("accuracy", exact=True)).to_have_value("61")
    assert asked == ["beforeunload"]
    ground.start()
    await press(page, "Enter")
    await at(page, ids[2])
    assert (await stored(ground))[ids[1]]["accuracy"] == (61, False)


async def test_what_was_typed_survives_the_end_of_the_session(
    start_ground: StartGround, open_page: OpenPage, watch: Watch
) -> None:
    ground = await start_ground(5)
    page = await open_page(ground)
    key = await ground.make_key()
    await enter(page, key)
    await page.goto(f"/requests?{OLDEST_FIRST}")
    await page.locator("#rows th.what a").nth(1).click()
    await expect(page.locator("#save-next")).to_be_visible()
    ids = await listed(page)
    await ground.revoke(key)
    watch.expect("status of 401")
    await press(page, "6 2 Enter")
    place = state(page, "accuracy")
    await expect(place).to_have_text("Not saved: you are signed out. Sign in (a new tab), then try again")

    # Signed in again, but to an organization that has a request of this id too: nothing must be stored there.
    elsewhere = await ground.make_key(name="other")
    answer = await page.request.post(
        f"/v1/request/{ids[1]}/score",
        headers={"Authorization": f"Bearer {elsewhere}"},
        data={"scores": {"elsewhere": 1}},
    )
    assert answer.status == 200
    before = await stored(ground)
    async with page.expect_popup() as popup:
        await place.get_by_role("link", name="Sign in").click()
    other = await popup.value
    await sign_in(other, elsewhere)
    await place.get_by_role("button", name="try again").click()
    await expect(place).to_contain_text("you have signed in to another organization")
    assert await stored(ground) == before
    await sign_in_again(other, await ground.make_key())
    await place.get_by_role("button", name="try again").click()
    await expect(place).to_have_text("Saved")
    changed = before[ids[1]] | {"accuracy": (62, False)}
    assert await stored(ground) == before | {ids[1]: changed}


async def sign_in_again(page: Page, key: str) -> None:
    await page.locator(".account > summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, key)


async def test_review_ends_where_the_search_does(start_ground: StartGround, open_page: OpenPage) -> None:
    ground = await start_ground(12)
    search = f"filter={quote(json.dumps({'request_response_rmt': {'scores': {'accuracy': {'lt': 80}}}}))}"
    page = await reviewing(open_page, ground, 0, search)
    ids = await listed(page)
    assert 1 < len(ids) < 12
    await press(page, "k")
    await expect(page.get_by_text("That was the first one.")).to_be_visible()
    await at(page, ids[0])
    # Scored out of the search, each still leads to the next.
    for request_id in ids:
        await at(page, request_id)
        await press(page, "9 9 Enter")
    await expect(page.get_by_text("That was the last one.")).to_be_visible()
    after = await stored(ground)
    assert {after[request_id]["accuracy"] for request_id in ids} == {(99, False)}
    await page.get_by_role("link", name="← Requests").click()
    await expect(page.get_by_role("heading", name="No request matches")).to_be_visible()


async def test_who_may_only_read_walks_and_cannot_score(reader: Page, ground: Ground) -> None:
    before = await stored(ground)
    await reader.goto(f"/requests?{OLDEST_FIRST}")
    await reader.locator("#rows th.what a").nth(1).click()
    await expect(reader.get_by_text("Your API key can view, not score.")).to_be_visible()
    assert await reader.locator("#review form, #review input").count() == 0
    await expect(reader.locator(".crumbs .place")).to_have_text("Request 2 of 400")
    await press(reader, "?")
    await expect(reader.get_by_role("dialog")).to_contain_text("next and previous request")
    await reader.get_by_role("button", name="Close").click()
    await press(reader, "a")
    await expect(reader.locator("#answer")).to_be_focused()
    ids = await listed(reader)
    await press(reader, "5 5 Enter u")
    await at(reader, ids[1])
    await press(reader, "j")
    await at(reader, ids[2])
    await expect(reader.locator(".crumbs .place")).to_have_text("Request 3 of 400")
    await press(reader, "k k")
    await at(reader, ids[0])
    assert await stored(ground) == before


async def test_scores_can_be_given_without_script(
    start_ground: StartGround, open_page: OpenPage, watch: Watch
) -> None:
    ground = await start_ground(5)
    page = await open_page(ground, java_script_enabled=False)
    await enter(page, await ground.make_key())
    await page.goto("/requests")
    link = page.locator("#rows th.what a").last
    request_id = urlsplit(await link.get_attribute("href") or "").path.removeprefix("/requests/")
    await link.click()
    await page.get_by_label("accuracy", exact=True).fill("9.5")
    watch.expect("status of 400")
    await page.locator('form[data-name="accuracy"] .score-save').click()
    await expect(state(page, "accuracy")).to_contain_text("expected an integer")
    await page.get_by_label("accuracy", exact=True).fill("95")
    await page.locator('form[data-name="accuracy"] .score-save').click()
    await page.get_by_role("button", name="Up").click()
    await page.locator('form[data-name="is_hallucinated"]').get_by_label("Yes").check(force=True)
    await page.locator('form[data-name="is_hallucinated"] .score-save').click()
    given = {"accuracy": (95, False), FEEDBACK: (1, True), "is_hallucinated": (1, True)}
    assert (await stored(ground))[request_id] == given
    await page.get_by_role("button", name="Remove accuracy").click()
    assert "accuracy" not in (await stored(ground))[request_id]
    await page.get_by_role("status").get_by_role("button", name="Undo").click()
    assert (await stored(ground))[request_id] == given
    await page.locator('form[data-name="accuracy"]').get_by_text("Comment", exact=True).click()
    await page.get_by_label("Comment on accuracy").fill("half of it is right")
    await page.locator('form[data-name="accuracy"] .score-save').click()
    about = page.locator('form[data-name="accuracy"] .score-about')
    await expect(about.locator("> .why")).to_have_text("half of it is right")
    await about.get_by_role("button", name="Undo").click()
    await expect(about.locator("> .why")).to_have_count(0)
    assert (await stored(ground))[request_id] == given

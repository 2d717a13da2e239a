from __future__ import annotations

import asyncio
import base64
import random
import time

import msgspec

from tests.conftest import StartService
from tests.dashboard.conftest import SignIn
from tests.dashboard.test_requests import log

TURNS = 500
TEXT = "## Gate {}\n\nThe **train** to *Porto* leaves from `gate 7`, and it is late."


async def count_beats(gaps: list[float]) -> None:
    """Note how long the event loop, which is the service's too, takes to come back."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - before)


async def test_a_page_of_500_turns_and_20_mb_of_pictures_does_not_hold_the_event_loop(
    start_service: StartService, sign_in: SignIn
) -> None:
    service = await start_service(max_body_bytes=64 << 20)
    client = await service.client()
    visitor = await sign_in()
    visitor.base_url = service.address
    picture = "data:image/png;base64," + base64.b64encode(random.Random(13).randbytes(40_000)).decode()
    messages = [
        {
            "role": ("user", "assistant")[number % 2],
            "content": [
                {"type": "text", "text": TEXT.format(number)},
                {"type": "image_url", "image_url": {"url": picture}},
            ],
        }
        for number in range(TURNS)
    ]
    await log(client, "a", "Hi")
    body = msgspec.json.encode(
        {
            "providerRequest": {
                "url": "https://a.example/v1/chat",
                "json": {"model": "m", "messages": messages},
                "meta": {"Helicone-Request-Id": "large"},
            },
            "providerResponse": {"status": 200, "json": {}},
        }
    )
    (await client.post("/custom/v1/log", content=body)).raise_for_status()
    await visitor.get("/requests/a")
    gaps: list[float] = []
    beating = asyncio.create_task(count_beats(gaps))
    began = time.perf_counter()
    page = await visitor.get("/requests/large")
    took = time.perf_counter() - began
    beating.cancel()
    assert page.status_code == 200
    assert page.text.count('<img class="media" src="data:image/png;base64,') == TURNS
    assert page.text.count("<strong>train</strong>") == TURNS
    assert max(gaps) < took / 2
    assert len(gaps) > 10

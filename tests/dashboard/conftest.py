"""People at the dashboard: clients that keep cookies, as browsers do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from heliscore.dashboard.parts.session import COOKIE
from heliscore.domain.api_key import Permissions

from tests.conftest import Service
from tests.servers import NO_CERTIFICATES

SignIn = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def visitor(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with httpx.AsyncClient(base_url=service.address, timeout=30, verify=NO_CERTIFICATES) as client:
        yield client


@pytest.fixture
async def sign_in(service: Service) -> AsyncIterator[SignIn]:
    """Sign somebody in, with a new key of the organization or with the given one."""
    async with AsyncExitStack() as stack:

        async def sign_in(
            organization: str = "default", permissions: Permissions = "rw", *, key: str | None = None
        ) -> httpx.AsyncClient:
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=service.address, timeout=30, verify=NO_CERTIFICATES)
            )
            key = key or await service.make_key(organization, permissions)
            response = await client.post("/sign-in", data={"key": key})
            assert (response.status_code, response.headers["location"]) == (303, "/")
            assert COOKIE in client.cookies
            return client

        yield sign_in


async def csrf_token(client: httpx.AsyncClient) -> str:
    """The token on a page of this session."""
    found = re.search(r'<meta name="csrf-token" content="([^"]+)">', (await client.get("/")).text)
    assert found
    return found[1]

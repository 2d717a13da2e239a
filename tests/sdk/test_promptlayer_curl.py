"""The REST sample of PromptLayer's documentation, by curl: the key in the body, the request's id quoted."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

import httpx
import pytest

from tests.conftest import Service

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


async def test_sample_scores_a_request(service: Service, client: httpx.AsyncClient) -> None:
    data = {"api_key": await service.make_key(), "request_id": "123", "score": 88, "name": "summarization"}
    command = ["curl", "--silent", "--request", "POST", "--url", f"{service.address}/rest/track-score"]
    command += ["--header", "Content-Type: application/json", "--data", json.dumps(data)]
    command += ["--write-out", "%{http_code}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert output.decode() == '{"success":true,"message":"the score is stored"}200'
    assert (await client.get("/v1/request/123")).json()["data"]["scores"] == {"summarization": 88}

"""Calls models through LiteLLM, which answers itself (`mock_response`) and logs to Helicone, at
HELICONE_API_BASE with HELICONE_API_KEY. The ids of the requests say what each call is. LiteLLM logs in
threads, for which Python waits at the end."""

import asyncio
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches one

import litellm  # type: ignore[import-not-found]

litellm.success_callback = ["helicone"]

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the library?"},
]
ANSWER = "Upstairs, on the left."
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "find_room", "arguments": '{"name": "library"}'},
}


def options(request_id: str, model: str, **more: object) -> dict[str, Any]:
    metadata = {
        "Helicone-Request-Id": request_id,
        "Helicone-User-Id": "alice",
        "Helicone-Property-Env": "prod",
        "Helicone-Property-Attempt": 2,
        "run": {"id": 7, "tags": ["a"]},
    }
    return {"model": model, "messages": MESSAGES, "mock_response": ANSWER, "metadata": metadata} | more


def main() -> None:
    litellm.completion(**options("plain", "gpt-4o"))
    asyncio.run(litellm.acompletion(**options("async", "gpt-4o")))
    for _ in litellm.completion(**options("stream", "gpt-4o", stream=True)):
        pass
    litellm.completion(**options("tools", "gpt-4o", mock_response="", mock_tool_calls=[CALL]))
    litellm.completion(**options("choices", "gpt-4o", n=2))
    litellm.completion(**options("gemini", "gemini/gemini-2.5-flash"))
    litellm.completion(**options("mistral", "mistral/mistral-large-latest"))
    embedding = options("embedding", "text-embedding-3-small", mock_response=[0.5, 0.25], input=["library"])
    del embedding["messages"]
    litellm.embedding(**embedding)


main()

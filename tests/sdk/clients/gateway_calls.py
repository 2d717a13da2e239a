"""Calls a provider through the gateway, with the SDKs of PyPI, and prints what they returned: with ADDRESS,
KEY and the provider's key in PROVIDER_KEY."""

# mypy: ignore-errors

import json
import os
from typing import Any

import anthropic
import openai
from llama_index.core.llms import ChatMessage
from llama_index.llms.helicone import Helicone

ADDRESS, KEY = os.environ["ADDRESS"], os.environ["KEY"]
PROVIDER_KEY = os.environ["PROVIDER_KEY"]
MESSAGES: Any = [{"role": "user", "content": "Explain quantum computing"}]


def own(request_id: str) -> dict[str, str]:
    return {"Helicone-Auth": f"Bearer {KEY}", "Helicone-Request-Id": request_id}


printed: dict[str, Any] = {}
client = openai.OpenAI(api_key=PROVIDER_KEY, base_url=f"{ADDRESS}/v1", max_retries=0)
raw = client.chat.completions.with_raw_response.create(
    model="gpt-4", messages=MESSAGES, extra_headers=own("openai")
)
printed["openai"] = [raw.headers["helicone-id"], raw.request_id, raw.parse().choices[0].message.content]
stream = client.chat.completions.create(
    model="gpt-4", messages=MESSAGES, stream=True, extra_headers=own("openai-stream")
)
printed["stream"] = [chunk.choices[0].delta.content for chunk in stream]
printed["errors"] = []
for model in ("bad", "busy"):
    try:
        client.chat.completions.create(model=model, messages=MESSAGES, extra_headers=own(model))
    except openai.APIStatusError as error:
        retry_after = error.response.headers.get("retry-after")
        printed["errors"].append([type(error).__name__, error.request_id, retry_after, error.message])
try:
    client.chat.completions.create(model="gpt-4", messages=MESSAGES)
except openai.AuthenticationError as error:
    printed["errors"].append([type(error).__name__, error.message])
printed["models"] = [model.id for model in client.models.list(extra_headers=own("models"))]
embedding = client.embeddings.create(
    model="text-embedding-3-small", input="a", encoding_format="float", extra_headers=own("embedding")
)
printed["embedding"] = embedding.data[0].embedding

claude = anthropic.Anthropic(
    api_key=PROVIDER_KEY, base_url=f"{ADDRESS}/v1/gateway/anthropic", default_headers=own("anthropic")
)
message = claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=MESSAGES)
printed["anthropic"] = message.content[0].text
with claude.messages.stream(
    model="claude-sonnet-4-5", max_tokens=100, messages=MESSAGES, extra_headers=own("anthropic-stream")
) as events:
    printed["anthropicStream"] = events.get_final_text()

llm = Helicone(
    api_key=KEY,
    api_base=f"{ADDRESS}/v1",
    model="gpt-4",
    default_headers={"Helicone-Request-Id": "llamaindex", "Helicone-Property-Env": "prod"},
    is_chat_model=True,
)
printed["llamaindex"] = llm.chat(
    [ChatMessage(role="user", content="Explain quantum computing")]
).message.content
print(json.dumps(printed))

"""Makes PromptLayer's calls with nothing but environment variables set; prints what each returned as JSON. It
runs with old and new versions of the package."""

import json

from promptlayer import PromptLayer

MESSAGE = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}

client = PromptLayer()
logged = client.log_request(
    provider="openai",
    model="gpt-4o",
    input=MESSAGE,
    output=MESSAGE,
    request_start_time=1.0,
    request_end_time=2.5,
    tags=["a"],
)
about = logged["id"]
group = client.group.create()
print(
    json.dumps(
        {
            "id": about,
            "group": group,
            "returned": [
                client.track.score(about, 88),
                client.track.score(about, 100, "summarization"),
                client.track.metadata(about, {"user_id": "u1"}),
                client.track.prompt(about, "my_template", {"topic": "dogs"}, version=2),
                client.track.group(about, group),
            ],
        }
    )
)

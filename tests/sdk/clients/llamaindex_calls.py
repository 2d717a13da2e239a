"""Calls a model of LlamaIndex, which always answers the same, with its PromptLayer handler: a chat, then a
completion."""

# mypy: ignore-errors
# ruff: noqa: ARG002

from llama_index.callbacks.promptlayer import PromptLayerHandler
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

ANSWER = "Upstairs, on the left."
RAW = {"usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}


class Model(CustomLLM):
    @property
    def metadata(self):
        return LLMMetadata(model_name="gpt-4o")

    @llm_chat_callback()
    def chat(self, messages, **more):
        return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER), raw=RAW)

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **more):
        return CompletionResponse(text=ANSWER, raw=RAW)

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **more):
        yield CompletionResponse(text=ANSWER, delta=ANSWER)


model = Model(callback_manager=CallbackManager([PromptLayerHandler(pl_tags=["school"])]))
messages = [("system", "Be brief."), ("user", "Where is the library?")]
model.chat([ChatMessage(role=role, content=text) for role, text in messages])
model.complete("Where is the library?")

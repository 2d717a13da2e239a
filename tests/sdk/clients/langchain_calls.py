"""Calls models of LangChain, which always answer the same, with its PromptLayer handler; prints the ids that
the handler was given, as JSON: of a chat, of a chat with a picture, of a text model."""

# mypy: ignore-errors
# ruff: noqa: ARG002

import json

from langchain_community.callbacks import PromptLayerCallbackHandler
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult

ANSWER = "Upstairs, on the left."
OUTPUT = {"token_usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


class Chat(BaseChatModel):
    model_name: str = "gpt-4o"

    @property
    def _llm_type(self):
        return "openai-chat"

    @property
    def _identifying_params(self):
        return {"model_name": self.model_name}

    def _generate(self, messages, stop=None, run_manager=None, **more):
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage(ANSWER))],
            llm_output=OUTPUT | {"model_name": self.model_name},
        )


class Text(BaseLLM):
    model_name: str = "gpt-3.5-turbo-instruct"

    @property
    def _llm_type(self):
        return "openai"

    @property
    def _identifying_params(self):
        return {"model_name": self.model_name}

    def _generate(self, prompts, stop=None, run_manager=None, **more):
        return LLMResult(
            generations=[[Generation(text=ANSWER)] for _ in prompts],
            llm_output=OUTPUT | {"model_name": self.model_name},
        )


ids = []
config = {"callbacks": [PromptLayerCallbackHandler(pl_id_callback=ids.append, pl_tags=["school"])]}
Chat().invoke([SystemMessage("Be brief."), HumanMessage("Where is the library?")], config)
parts = [
    {"type": "text", "text": "Where is the library?"},
    {"type": "image_url", "image_url": {"url": PICTURE}},
]
Chat().invoke([HumanMessage(parts)], config)
Text().invoke("Where is the library?", config)
print(json.dumps(ids))

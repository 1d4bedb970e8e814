"""The messages protocol of Anthropic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import anthropic
from pydantic import BaseModel

from personaevo.errors import ReplyError
from personaevo.models.adapter import NO_KEY, Adapter, TransientError, answered, counted
from personaevo.models.answers import strict_schema
from personaevo.records import Message, Reply

_TOOL = "answer"


class AnthropicModel(Adapter):
    """One model behind the messages protocol. A schema is asked for as the input of a tool."""

    library: ClassVar[Any] = anthropic

    def _client(self) -> Any:
        options: dict[str, Any] = {"base_url": self.spec.url, "max_retries": 0, "timeout": self.terms.seconds}
        client = anthropic.AsyncAnthropic(**options)
        if self.spec.url is not None and not client.api_key and not client.auth_token:
            return anthropic.AsyncAnthropic(api_key=NO_KEY, **options)
        return client

    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any:
        options: dict[str, Any] = {}
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        if system:  # the stable part of a prompt: the provider may keep it
            options["system"] = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
        if schema is not None:
            options["tools"] = [{"name": _TOOL, "description": "Give the answer.", "input_schema": strict_schema(schema)}]
            options["tool_choice"] = {"type": "tool", "name": _TOOL}
        tokens = self.terms.output_tokens
        return await self.client.messages.create(model=self.spec.name, max_tokens=tokens, messages=_alternating(messages), **options)

    def _read(self, answer: Any) -> Reply:
        label = self.terms.label
        used = answer.usage
        cached, written = used.cache_read_input_tokens or 0, used.cache_creation_input_tokens or 0
        usage = counted(used.input_tokens + cached + written, used.output_tokens, cached)
        if answer.stop_reason == "refusal":
            raise ReplyError(f"{label}: the model refuses", usage)
        texts = [block.text for block in answer.content if block.type == "text"]
        inputs = [json.dumps(block.input) for block in answer.content if block.type == "tool_use"]
        if not texts and not inputs:
            raise TransientError(f"{label}: a reply without content", "empty reply")
        return answered(label, inputs[0] if inputs else "".join(texts), usage, cut=answer.stop_reason == "max_tokens")


def _alternating(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The turns: neighbors of one role joined, a user's first."""
    turns: list[dict[str, str]] = []
    for message in messages:
        if message.role == "system":
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.content}"
        else:
            turns.append({"role": message.role, "content": message.content})
    return turns if turns and turns[0]["role"] == "user" else [{"role": "user", "content": "Begin."}, *turns]

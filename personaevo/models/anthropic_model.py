"""Adapter for Anthropic's messages API and compatible servers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import anthropic
from pydantic import BaseModel

from personaevo.chat import Message
from personaevo.model_spec import OWN_ADDRESS
from personaevo.models.adapter import NO_KEY, Adapter, ProviderReply, joined, text_of, user_first
from personaevo.models.refusals import FILTER_REASONS, TransientError, body_error
from personaevo.models.wrappers import strict_schema

_TOOL = "answer"
_NOT_ABLE = (400, 404, 422, 500, 501)
_KNOWN = ("temperature", "top_p", "thinking", "top_k", "stop_sequences", "service_tier")


class AnthropicModel(Adapter):
    """One model behind the messages API. Structured output is requested as the input of a tool. Features that a server refuses (a list as
    system prompt, cache marks, tool choice, tools) are left out from then on."""

    library: ClassVar[Any] = anthropic
    cut: ClassVar[str] = "max_tokens"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lists = self._marks = self._choice = self._tools = True

    def _client(self) -> Any:
        url = self.spec.url or OWN_ADDRESS["anthropic"]
        options: dict[str, Any] = {"base_url": url, "max_retries": 0, "timeout": self.terms.seconds}
        client = anthropic.AsyncAnthropic(**options)
        if self.spec.url is not None and not client.api_key and not client.auth_token:
            return anthropic.AsyncAnthropic(api_key=NO_KEY, **options)
        return client

    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any:
        options: dict[str, Any] = {}
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        if system:  # the stable part of a prompt, which the provider may cache
            mark = {"cache_control": {"type": "ephemeral"}} if self._marks else {}
            options["system"] = [{"type": "text", "text": system, **mark}] if self._lists else system
        if schema is not None and self._tools:
            options["tools"] = [{"name": _TOOL, "description": "Give the answer.", "input_schema": strict_schema(schema)}]
            if self._choice:
                options["tool_choice"] = {"type": "tool", "name": _TOOL}
        turns: Any = user_first(joined([message for message in messages if message.role != "system"]))
        return await self.client.messages.with_raw_response.create(
            model=self.spec.name, max_tokens=self.most_tokens, messages=turns, **options, **self.settings(_KNOWN)
        )

    def adapt(self, status: int, said: str, sent: bytes) -> bool:
        """See ``Adapter.adapt``."""
        if status not in _NOT_ABLE:
            return False
        low = said.lower()
        if "cache_control" in low and b'"cache_control"' in sent:
            self._marks = False
        elif "tool_choice" in low and b'"tool_choice"' in sent:
            self._choice = False
        elif "tool" in low and b'"tools"' in sent:
            self._tools = False
        elif "system" in low and ("str" in low or "list" in low or "array" in low) and b'"system": [' in sent.replace(b'":[', b'": ['):
            self._lists = False
        else:
            return False
        return True

    def answer(self, body: Mapping[str, Any]) -> ProviderReply:
        """See ``Adapter.answer``."""
        error = body_error(self.terms.label, body)
        if error is not None:
            raise error
        content, finish = body.get("content"), str(body.get("stop_reason") or "").lower()
        blocks = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
        if "content" not in body or not isinstance(content, (list, str)):
            raise TransientError(f"{self.terms.label}: a reply without content", "empty reply")
        inputs = [_input(block.get("input")) for block in blocks if block.get("type") == "tool_use"]
        thought = any(block.get("type") in ("thinking", "redacted_thinking") for block in blocks)
        text = next(filter(None, inputs), None) or text_of(content)
        refusal = repr(finish) if finish in FILTER_REASONS else ""
        return ProviderReply(text, finish, _counts(body.get("usage")), refusal, thought)


def _input(given: Any) -> str | None:
    """A tool's input as JSON text; some servers send it as text."""
    if isinstance(given, str):
        with suppress(ValueError):
            json.loads(given)
            return given
    return json.dumps(given) if isinstance(given, Mapping) else None


def _counts(used: Any) -> tuple[Any, Any, Any]:
    """Input tokens (including those read from and written to the provider's cache), output tokens and cached tokens."""
    if not isinstance(used, Mapping):
        return None, None, None
    read, cached, written = (used.get(name) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    kept = [one for one in (cached, written) if type(one) is int]
    return read + sum(kept) if type(read) is int else read, used.get("output_tokens"), cached

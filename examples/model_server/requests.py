"""Requests to a model server and its answers, in either protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Json = dict[str, Any]
Api = Literal["openai", "anthropic"]
Finish = Literal["stop", "length", "refusal", "content filter"]


@dataclass(frozen=True)
class Request:
    """One request, in either protocol.

    Attributes:
        messages: (role, content) without the system prompt.
        schema: JSON schema of the reply, None for free text, ``{"type": "object"}`` for any object.
        key: the API key, "" if none.
        tool: name of the forced tool (Anthropic).
        caching: whether the provider would cache the beginning of this prompt.
    """

    system: str
    messages: tuple[tuple[str, str], ...]
    schema: Json | None
    model: str
    key: str = ""
    api: Api = "openai"
    tool: str | None = None
    most_tokens: int | None = None
    caching: bool = True
    seed: int = 0

    @cached_property
    def digest(self) -> str:
        """32 hex digits over everything that replies depend on: system prompt, messages, schema and the server's seed."""
        parts = json.dumps([self.seed, self.system, self.messages, self.schema], sort_keys=True)
        return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def own(self) -> list[str]:
        """Earlier messages of the model."""
        return [content for role, content in self.messages if role == "assistant"]

    @property
    def heard(self) -> str:
        """The last message to the model."""
        return next((content for role, content in reversed(self.messages) if role != "assistant"), "")

    @cached_property
    def whole(self) -> str:
        """System prompt and messages as one text."""
        return "\n\n".join([self.system, *(content for _, content in self.messages)])


ReplyFunction = Callable[[Request], "str | Json"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer: its text, its value if a schema was given, and the finish reason."""

    text: str
    value: Any = None
    finish: Finish = "stop"

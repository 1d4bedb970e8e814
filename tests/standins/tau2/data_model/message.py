"""Messages: what the agent says to the user, what the user's tools say, and what the user says."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class AssistantMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str | None = None
    tool_calls: list[Any] | None = None


class UserMessage(BaseModel):
    role: Literal["user"] = "user"
    content: str | None = None
    tool_calls: list[Any] | None = None


class ToolMessage(BaseModel):
    role: Literal["tool"] = "tool"
    content: str | None = None

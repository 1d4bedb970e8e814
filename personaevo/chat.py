"""Messages and replies of chat models, and the interfaces of models, agents and the cache of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a chat model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply; ``cached_tokens`` are among ``input_tokens``. ``estimated``: the server did not count all of them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a chat model: its text, the text parsed if a schema was given, and its cost in US dollars. ``cut``: the answer reached
    the token limit. ``refusal``: why the answer is not usable, "" if it is."""

    text: str
    parsed: Any = None
    usage: Usage = Usage()
    cost: float = 0.0
    cut: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One answer of a model as recorded in the archive. ``key`` is a digest of everything on which the answer depends, with the sample
    index; ``candidate`` is the proposal for which it was asked, None if for all; ``seconds`` run from the first attempt to the answer."""

    key: str
    role: str
    model: str
    candidate: int | None
    reply: Reply
    seconds: float


class Store(Protocol):
    """A cache of answers, so that no call is paid for twice. Thread-safe."""

    def get(self, key: str) -> Reply | None:
        """The cached answer under a key, None if there is none."""
        ...

    def put(self, call: ModelCall) -> None:
        """Store an answer."""
        ...


class ChatModel(Protocol):
    """A chat model, or a wrapper of one. Equal questions with different ``sample`` get independently drawn answers."""

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer."""
        ...


class Agent(Protocol):
    """The agent in a dialogue with a simulated user."""

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it ends the dialogue."""

"""The example's model server for tests: rules that fail, and the providers' own clients set on it without retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai

from examples.model_server import Fault, FaultRule, ModelServer, ReplyFunction, Request, person_or_agent

KEY = "planted-key-4711"
USER = "You are the user in a conversation with an agent."
AGENT = "You are the agent in a conversation with a user."
_SECONDS = 10.0


@contextmanager
def serving(reply: ReplyFunction = person_or_agent, **options: Any) -> Iterator[ModelServer]:
    """A server for the time of the block; the options are those of ModelServer."""
    server = ModelServer(reply, **options)
    try:
        yield server.start()
    finally:
        server.stop()


def first(kind: str, times: int = 1, seconds: float = 0.05) -> FaultRule:
    """The first ``times`` attempts of every prompt fail."""
    return lambda _request, attempt: Fault(kind, seconds) if attempt <= times else None


def always(kind: str, seconds: float = 0.05) -> FaultRule:
    """Every attempt fails."""
    return lambda _request, _attempt: Fault(kind, seconds)


def openai_client(server: ModelServer, *, key: str = KEY, seconds: float = _SECONDS) -> openai.OpenAI:
    """OpenAI's client without retries; close it. Proxies of the environment are not asked: the server is on the loopback interface."""
    http = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(base_url=server.openai_url, api_key=key, max_retries=0, timeout=seconds, http_client=http)


def async_openai_client(server: ModelServer, *, key: str = KEY, seconds: float = _SECONDS) -> openai.AsyncOpenAI:
    """The same, asynchronous."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    return openai.AsyncOpenAI(base_url=server.openai_url, api_key=key, max_retries=0, timeout=seconds, http_client=http)


def anthropic_client(server: ModelServer, *, key: str = KEY, seconds: float = _SECONDS) -> anthropic.Anthropic:
    """Anthropic's client without retries; close it."""
    http = anthropic.DefaultHttpxClient(trust_env=False)
    return anthropic.Anthropic(base_url=server.url, api_key=key, max_retries=0, timeout=seconds, http_client=http)


def async_anthropic_client(server: ModelServer, *, key: str = KEY, seconds: float = _SECONDS) -> anthropic.AsyncAnthropic:
    """The same, asynchronous."""
    http = anthropic.DefaultAsyncHttpxClient(trust_env=False)
    return anthropic.AsyncAnthropic(base_url=server.url, api_key=key, max_retries=0, timeout=seconds, http_client=http)


__all__ = [
    "AGENT", "KEY", "USER", "Fault", "ModelServer", "Request", "always", "anthropic_client", "async_anthropic_client",
    "async_openai_client", "first", "openai_client", "serving",
]  # fmt: skip

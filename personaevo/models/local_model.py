"""Adapter for models that run on this machine: asks the server of ``local_server`` by the chat completions API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import openai
from pydantic import BaseModel

from personaevo.chat import Message, Reply
from personaevo.errors import ModelSetupError
from personaevo.model_spec import ModelSpec
from personaevo.models.adapter import CallOptions, EventLoopThread, ProviderReply
from personaevo.models.limits import RateLimit
from personaevo.models.local_server import LocalServer
from personaevo.models.openai_model import OpenAIModel
from personaevo.models.refusals import TransientError

TEMPERATURE = 0.9


class LocalModel(OpenAIModel):
    """One role's use of a model file's server. The same question with the same sample index has the same seed."""

    def __init__(self, spec: ModelSpec, loop: EventLoopThread, limit: RateLimit, terms: CallOptions, server: LocalServer) -> None:
        super().__init__(spec, loop, limit, terms)
        self._server = server

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """See ``Adapter.reply``; the first call waits until the model is loaded."""
        self._server.running()
        try:
            return super().reply(messages, schema=schema, sample=sample)
        except TransientError:
            self._server.running()  # raises the cause if the server has ended
            raise

    def _client(self) -> Any:
        running = self._server.running()
        http = openai.DefaultAsyncHttpxClient(trust_env=False)  # no proxy for the loopback interface
        seconds = self.terms.seconds
        return openai.AsyncOpenAI(base_url=f"{running.address}/v1", api_key=running.key, max_retries=0, timeout=seconds, http_client=http)

    def _options(self, messages: Sequence[Message], sample: int) -> dict[str, Any]:
        given = super()._options(messages, sample)
        own = {"temperature": TEMPERATURE, "seed": seed_of(messages, sample + (self.spec.setting("seed") or 0))}
        return own | given | {"seed": own["seed"], "extra_body": {"cache_prompt": True} | given.get("extra_body", {})}

    def answer(self, body: Mapping[str, Any]) -> ProviderReply:
        """See ``Adapter.answer``."""
        answer = super().answer(body)
        if not answer.text and answer.counts[0] == 0:  # the server's way to report that error
            raise ModelSetupError(f"{self.terms.label}: its chat template does not take these messages; give another instruct model")
        return answer


def seed_of(messages: Sequence[Message], sample: int) -> int:
    """A seed from 0 to 2^31 − 1, derived from the messages and the sample index."""
    text = json.dumps([sample, [[message.role, message.content] for message in messages]])
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).digest()) >> 1

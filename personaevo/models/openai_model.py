"""Adapters for the chat completions API: OpenAI and compatible servers (vLLM, Ollama, llama.cpp, OpenRouter), and local model files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, ClassVar

import openai
from pydantic import BaseModel

from personaevo.chat import Message, Reply
from personaevo.errors import ModelSetupError
from personaevo.model_spec import OWN_ADDRESS, ModelSpec, key_for
from personaevo.models.adapter import NO_KEY, Adapter, CallOptions, EventLoopThread, ProviderReply, joined, text_of, user_first
from personaevo.models.local_server import LocalServer
from personaevo.models.refusals import FILTER_REASONS, TransientError, body_error
from personaevo.models.retry import RateLimit
from personaevo.models.wrappers import strict_schema

_NOT_ABLE = (400, 404, 422, 500, 501)
_ABOUT_SCHEMAS = ("response_format", "json_schema", "schema", "guided", "grammar", "structured", "no endpoints found")
_TOKEN_NAMES = ("max_tokens", "max_completion_tokens")
_UNKNOWN = re.compile(
    "unsupported|not supported|unrecognized|unknown|unexpected|not permitted|extra inputs|not allowed|use '?max_", re.IGNORECASE
)
_COUNT = r"(\d[\d,]{1,9})"
_LIMIT = re.compile(
    r"(?:at most|maximum(?: value)?(?: of| is)?|max(?:imum)? allowed|less than or equal to|<=|≤|up to|cannot exceed)\D{0,40}?" + _COUNT,
    re.IGNORECASE,
)
_CONTEXT = re.compile(rf"(?:maximum |max )?context (?:length|window|size)[^\d]{{0,40}}{_COUNT}", re.IGNORECASE)
_PROMPT = re.compile(
    rf"{_COUNT}(?: input tokens| tokens in (?:the|your) (?:messages|prompt|input)|[^\d]{{0,20}}in the (?:messages|prompt|input))",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"system\W{1,3}(?:role|message|prompt|instruction)s?\W[^.]{0,60}(?:not|un)[ -]?(?:supported|allowed|enabled)"
    r"|(?:role|roles)[^.]{0,40}system[^.]{0,40}not|role\W[^.]{0,40}not[^.]{0,20}\Wsystem\W", re.IGNORECASE,
)  # fmt: skip
_LEAST_TOKENS = 16  # a lower limit is useless
_KNOWN = ("temperature", "top_p", "reasoning_effort")


class OpenAIModel(Adapter):
    """One model behind the chat completions API. Features that a server refuses (a schema, the name or height of the token limit, the
    system role, adjacent messages of one role) are left out from then on."""

    library: ClassVar[Any] = openai
    cut: ClassVar[str] = "length"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._schemas, self._system, self._alternating = True, True, False
        self._tokens_name = _TOKEN_NAMES[self.spec.provider == "openai" and self.spec.url is None]
        self._renamed = False

    def _client(self) -> Any:
        url = self.spec.url or OWN_ADDRESS["openai"]
        options: dict[str, Any] = {"base_url": url, "max_retries": 0, "timeout": self.terms.seconds}
        if (key := key_for(url)) is not None:
            options["api_key"] = key
        try:
            return openai.AsyncOpenAI(**options)
        except openai.OpenAIError:
            if self.spec.url is None:
                raise ModelSetupError(f"{self.terms.label}: there is no key; set OPENAI_API_KEY") from None
            return openai.AsyncOpenAI(api_key=NO_KEY, **options)

    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any:
        options = self._options(messages, sample)
        if schema is not None and self._schemas:
            form = {"name": schema.__name__, "schema": strict_schema(schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        said: Any = self._messages(messages)
        return await self.client.chat.completions.with_raw_response.create(model=self.spec.name, messages=said, **options)

    def _messages(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        turns = joined(messages)
        system = [turn["content"] for turn in turns if turn["role"] == "system"]
        others = [turn for turn in turns if turn["role"] != "system"]
        if self._alternating or (system and not self._system):
            others = user_first(joined([Message(turn["role"], turn["content"]) for turn in others]))  # type: ignore[arg-type]
        elif self._system:
            return turns
        if system and not self._system:
            others[0] = {"role": "user", "content": "\n\n".join([*system, others[0]["content"]])}
            system = []
        return [*({"role": "system", "content": text} for text in system), *others]

    def _options(self, messages: Sequence[Message], sample: int) -> dict[str, Any]:
        """Request parameters except the structured output."""
        seed = self.spec.setting("seed")
        seeded = {} if seed is None else {"seed": int(seed) + sample}  # samples must be independent
        return {self._tokens_name: self.most_tokens} | seeded | self.settings(_KNOWN)

    def adapt(self, status: int, said: str, sent: bytes) -> bool:
        """See ``Adapter.adapt``. Decides by what was sent, as other calls may have changed the settings meanwhile."""
        if status not in _NOT_ABLE:
            return False
        low = said.lower()
        if self._adapt_limit(said, sent) or self._adapt_roles(low, sent):
            return True
        if b'"response_format"' in sent and any(word in low for word in _ABOUT_SCHEMAS):
            self._schemas = False
            return True
        return False

    def _adapt_limit(self, said: str, sent: bytes) -> bool:
        name = next((one for one in _TOKEN_NAMES if f'"{one}"'.encode() in sent), "")
        if not name or "max" not in said.lower():
            return False
        if name in said and _UNKNOWN.search(said) and (not self._renamed or name != self._tokens_name):
            self._renamed, self._tokens_name = True, _TOKEN_NAMES[name == _TOKEN_NAMES[0]]
            return True
        limit = _limit_in(said)
        was = re.search(rb'"' + name.encode() + rb'":\s*(\d+)', sent)
        if limit is None or was is None or not _LEAST_TOKENS <= limit < int(was[1]):
            return False
        self.most_tokens = min(self.most_tokens, limit)
        return True

    def _adapt_roles(self, said: str, sent: bytes) -> bool:
        if _NO_SYSTEM.search(said) and b'"role":"system"' in sent.replace(b'": "', b'":"'):
            self._system = False
            return True
        if "alternat" in said and not (self._alternating and _alternates(sent)):
            self._alternating = True
            return True
        return False

    def _streamed(self, text: str) -> Mapping[str, Any]:
        """Join the chunks of a stream into one body."""
        said, finish, usage = [], None, None
        for line in text.splitlines():
            with suppress(ValueError):
                chunk = json.loads(line.removeprefix("data:")) if line.startswith("data:") else None
                if not isinstance(chunk, Mapping):
                    continue
                if chunk.get("error"):
                    return chunk
                usage = chunk.get("usage") or usage
                for choice in (chunk.get("choices") or [])[:1]:
                    said.append(text_of((choice.get("delta") or {}).get("content")) or "")
                    finish = choice.get("finish_reason") or finish
        if not said:
            return super()._streamed(text)
        return {"choices": [{"message": {"content": "".join(said)}, "finish_reason": finish}], "usage": usage}

    def answer(self, body: Mapping[str, Any]) -> ProviderReply:
        """See ``Adapter.answer``."""
        label, counts = self.terms.label, _counts(body.get("usage"))
        error = body_error(label, body)
        if error is not None:
            raise error
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping):
            raise TransientError(f"{label}: a reply without a choice", "empty reply")
        if isinstance(choice.get("error"), Mapping):
            raise body_error(label, choice) or TransientError(f"{label}: the answer broke off", "broken reply")
        message = choice.get("message")
        message = message if isinstance(message, Mapping) else {}
        finish = str(choice.get("finish_reason") or "").lower()
        refusal = f"{str(message['refusal'])[:200]!r}" if message.get("refusal") else repr(finish) if finish in FILTER_REASONS else ""
        used = body.get("usage")
        details = used.get("completion_tokens_details") if isinstance(used, Mapping) else None
        thought_tokens = details.get("reasoning_tokens") if isinstance(details, Mapping) else 0
        thought = bool(message.get("reasoning_content") or message.get("reasoning") or thought_tokens)
        return ProviderReply(text_of(message.get("content")), finish, counts, refusal, thought)


def _limit_in(said: str) -> int | None:
    """The most output tokens according to the server's message: a limit of the output, or the context length minus the prompt."""
    context, prompt, limit = (pattern.search(said) for pattern in (_CONTEXT, _PROMPT, _LIMIT))
    if context is not None and prompt is None:
        return None
    numbers = [int(match[1].replace(",", "")) if match is not None else 0 for match in (context, prompt, limit)]
    if context is not None:
        return numbers[0] - numbers[1]
    return None if limit is None else numbers[2]


def _alternates(sent: bytes) -> bool:
    """Whether the roles in the request alternate, a user's first."""
    with suppress(ValueError, KeyError, TypeError):
        roles = [one["role"] for one in json.loads(sent)["messages"] if one["role"] != "system"]
        return roles[:1] == ["user"] and all(one != other for one, other in pairwise(roles))
    return False


def _counts(used: Any) -> tuple[Any, Any, Any]:
    if not isinstance(used, Mapping):
        return None, None, None
    details = used.get("prompt_tokens_details")
    return used.get("prompt_tokens"), used.get("completion_tokens"), details.get("cached_tokens") if isinstance(details, Mapping) else None


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

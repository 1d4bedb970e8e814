"""Base class of the providers' adapters, and the event loop in which their clients run."""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from personaevo.chat import Message, Reply, Usage
from personaevo.errors import BudgetError, ModelError, ModelSetupError, ReplyError
from personaevo.model_spec import ModelSpec
from personaevo.models.refusals import ENDING, TransientError, UnclearError, local_fault, status_error, unreachable, words
from personaevo.models.retry import RateLimit
from personaevo.text import parted

Value = TypeVar("Value")
NO_KEY = "none"  # a self-hosted server needs no key, but the clients require one
LONGEST_REPLY = 250_000  # characters, of up to four bytes: the archive takes a megabyte
_MOST_TOKENS = 10**9  # of one reply; larger counts are taken for errors
_BYTES_PER_TOKEN = 3  # to estimate tokens that a server does not count: rather too many than too few
_MOST_ADAPTATIONS = 8  # for one question: each is made once
_PROBE = (Message("user", "Say OK."),)


class EventLoopThread:
    """An event loop in its own thread, for asynchronous clients; callers block in their threads."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()

    def keep(self, client: Any) -> Any:
        """Register a client, to be closed with the loop; returns it."""
        self._clients.append(client)
        return client

    def run(self, make: Callable[[], Coroutine[Any, Any, Value]], limit: RateLimit, seconds: float) -> Value:
        """Make the coroutine when ``limit`` admits it, and return its result.

        Raises:
            TimeoutError: it took more than ``seconds`` after that. (A client's own timeout applies between two bytes.)
            BudgetError: the loop was closed before.
        """

        async def admitted() -> Value:
            async with limit, asyncio.timeout(seconds):
                return await make()

        with self._lock:  # a call after the end would never return
            if self._closed:
                raise BudgetError(ENDING)
            future = asyncio.run_coroutine_threadsafe(admitted(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise BudgetError(ENDING) from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel running calls, close the clients and end the thread."""
        with self._lock:
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for client in self._clients:
            await client.close()


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Settings of one model's calls: the total timeout in seconds, the most output tokens, and the model's label in errors."""

    seconds: float
    output_tokens: int
    label: str


@dataclass(frozen=True, slots=True)
class ProviderReply:
    """The content of a server's reply: the text, the finish reason in lower case, the server's token counts (input, output, cached; None
    if it gives none), a refusal, and whether the model also produced reasoning (``thought``)."""

    text: str | None
    finish: str
    counts: tuple[Any, Any, Any]
    refusal: str = ""
    thought: bool = False


class Adapter(ABC):
    """One model behind one client. ``library`` is the client's package; both packages have errors of the same names."""

    library: ClassVar[Any]
    cut: ClassVar[str]  # the finish reason of an answer that reached its token limit

    def __init__(self, spec: ModelSpec, loop: EventLoopThread, limit: RateLimit, terms: CallOptions) -> None:
        self.spec, self.terms = spec, terms
        self.most_tokens = terms.output_tokens  # lowered if the server says so
        self._loop, self._limit = loop, limit
        self._has_answered = False

    @cached_property
    def client(self) -> Any:
        """The client, created at first use in the loop's thread."""
        return self._loop.keep(self._client())

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Ask once, when the rate limits admit it. With a ``schema``, structured output is requested if the server supports it; the text is
        not parsed here.

        Raises:
            TransientError: a retry may help. ModelSetupError: a retry cannot help. ReplyError: this question is refused or too long, or
            all tokens were used for reasoning. BudgetError: the search is ending.
        """
        sent = [Message(message.role, _encodable(message.content)) for message in messages]
        try:
            reply = self._ask_adapting(sent, schema, sample)
        except UnclearError as error:
            raise self._classified(error) from None
        self._has_answered = True
        return reply

    def _ask_adapting(self, sent: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Reply:
        """Ask, repeating without those features that the server says it does not support."""
        label, library = self.terms.label, self.library
        for left in reversed(range(_MOST_ADAPTATIONS)):
            try:
                body = self._loop.run(lambda: self._ask(sent, schema, sample), self._limit, self.terms.seconds)
                return self._read(self._body(body), sent)
            except (TimeoutError, library.APITimeoutError):
                raise TransientError(f"{label}: no answer within {self.terms.seconds:g} s", "timeout") from None
            except library.APIConnectionError as error:
                raise local_fault(label, error) or unreachable(label, error) from None
            except library.APIStatusError as error:
                said = self._without_key(error.response.text)
                if left and self.adapt(error.status_code, said, error.request.content):
                    continue
                raise status_error(label, error.status_code, said, error.response.headers) from None  # the client's repeats the body
            except (ModelError, BudgetError):
                raise
            except Exception as error:  # noqa: BLE001 - any error of a client with an unexpected reply
                raise self._unexpected(error) from None  # its text may hold the key
        raise AssertionError("the last round raises")

    def _classified(self, error: UnclearError) -> ModelError:
        """Decide whether an unclear refusal concerns this question or all: if the server answers a probe, it concerns this question."""
        usage = None
        if not self._has_answered:
            try:
                usage = self._ask_adapting(_PROBE, None, 0).usage
            except (ModelError, BudgetError):
                return ModelSetupError(str(error))
            self._has_answered = True
        return ReplyError(str(error), usage)

    def _unexpected(self, error: Exception) -> ModelError:
        label, text = self.terms.label, f"{type(error).__name__} {error}"
        if any(word in text for word in ("api_key", "authentication method", "CredentialsError")):
            return ModelSetupError(f"{label}: there is no key; set {self.spec.provider.upper()}_API_KEY")
        return local_fault(label, error) or TransientError(
            f"{label}: a reply that is not of the protocol ({type(error).__name__})", "broken reply"
        )

    def _body(self, raw: Any) -> Mapping[str, Any]:
        """Parse the body of a reply as a JSON object."""
        text = raw.http_response.text
        with suppress(ValueError, RecursionError):
            body = json.loads(text.removeprefix("\ufeff"))
            if isinstance(body, Mapping):
                return body
        if text.lstrip().startswith(("data:", "event:", ":")):
            return self._streamed(text)
        told = words(self._without_key(text)) or "an empty body"
        raise TransientError(f"{self.terms.label}: a reply that is not of the protocol: {told}", "broken reply")

    def _streamed(self, text: str) -> Mapping[str, Any]:
        raise TransientError(f"{self.terms.label}: a stream of events, which was not asked for: {words(text)}", "broken reply")

    def _read(self, body: Mapping[str, Any], asked: Sequence[Message]) -> Reply:
        answer, label = self.answer(body), self.terms.label
        said = parted(_encodable(answer.text or "").replace("\0", ""))
        usage = self._usage(answer, asked)
        if answer.refusal:
            raise ReplyError(f"{label}: the model refuses: {answer.refusal}", usage)
        if answer.finish == "error":
            raise TransientError(f"{label}: the answer broke off", "broken reply", usage=usage)
        if len(said.said) > LONGEST_REPLY:
            raise ReplyError(f"{label}: an answer of {len(said.said):,} characters; at most {LONGEST_REPLY:,} are read", usage)
        cut = answer.finish == self.cut
        if not said.said.strip():
            if cut and (said.thought or answer.thought):
                raise ReplyError(
                    f"{label}: all {usage.output_tokens:,} tokens went into thinking; give more with max_tokens, or less thought with "
                    "reasoning_effort (--set ROLE.KEY=VALUE)", usage,
                )  # fmt: skip
            if answer.text is None:
                raise TransientError(f"{label}: a reply without text", "empty reply", usage=usage)
        return Reply(said.said, usage=usage, cut=cut)

    def _usage(self, answer: ProviderReply, asked: Sequence[Message]) -> Usage:
        """The server's token counts; an estimate where they are missing or implausible."""
        read, written, cached = (one if type(one) is int and 0 <= one <= _MOST_TOKENS else None for one in answer.counts)
        estimated = read is None or written is None
        if read is None:
            read = sum(_tokens(message.content) for message in asked)
        if written is None:
            written = min(_tokens(answer.text or ""), self.most_tokens) if not answer.thought else self.most_tokens
        return Usage(read, written, min(cached or 0, read), estimated)

    @abstractmethod
    def _client(self) -> Any: ...

    @abstractmethod
    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any:
        """The client's raw response."""

    @abstractmethod
    def answer(self, body: Mapping[str, Any]) -> ProviderReply:
        """Extract the answer from a body.

        Raises:
            ModelError: the body contains an error, or no answer.
        """

    def adapt(self, status: int, said: str, sent: bytes) -> bool:
        """Whether the server refused a feature that can be left out or expressed otherwise; if so, it is from now on."""
        return False

    def settings(self, known: Sequence[str]) -> dict[str, Any]:
        """The model's settings as client arguments: those that the client knows by name, the others in ``extra_body``."""
        own = {key: self.spec.setting(key) for key, _ in self.spec.settings if key not in ("max_tokens", "seed")}
        named = {key: value for key, value in own.items() if key in known}
        others = {key: value for key, value in own.items() if key not in known}
        return named | ({"extra_body": others} if others else {})

    def _without_key(self, text: str) -> str:
        """A server's message with the API key masked, in case the server repeats it."""
        for key in (getattr(self.client, name, None) for name in ("api_key", "auth_token")):
            if isinstance(key, str) and key not in ("", NO_KEY):
                text = text.replace(key, "(key)")
        return text


def label_of(role: str, spec: ModelSpec) -> str:
    """Role, model and address, for error messages."""
    if spec.provider in ("local", "own"):
        return f"{role} {spec.base}"
    if spec.urls:
        return f"{role} {spec.provider}:{spec.name} at {len(spec.urls)} addresses"
    place = spec.url or {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}.get(spec.provider, "")
    return f"{role} {spec.provider}:{spec.name} at {place}"


def joined(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Join adjacent messages of the same role, as many servers require alternating roles."""
    turns: list[dict[str, str]] = []
    for message in messages:
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.content}"
        else:
            turns.append({"role": message.role, "content": message.content})
    return turns


def user_first(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The turns (without system messages), preceded by a user's turn if they do not begin with one."""
    return turns if turns and turns[0]["role"] == "user" else [{"role": "user", "content": "Begin."}, *turns]


def text_of(content: Any) -> str | None:
    """The text of a message's content, which is a text or a list of parts; None if it contains no text."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part["text"] if _is_text_part(part) else part for part in content if isinstance(part, str) or _is_text_part(part)]
    return "".join(texts) if texts else None


def _is_text_part(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type", "text") in ("text", "output_text") and isinstance(part.get("text"), str)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def _encodable(text: str) -> str:
    """The text with a question mark for each lone surrogate."""
    return text.encode("utf-8", "replace").decode()

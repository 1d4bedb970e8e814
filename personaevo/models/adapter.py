"""What the two providers' adapters share: a loop that the clients live in, a total deadline, and the clients' errors in our words."""

from __future__ import annotations

import asyncio
import email.utils
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from personaevo.errors import BudgetError, ModelError, ModelSetupError, ModelUnavailableError, ReplyError
from personaevo.model_spec import ModelSpec
from personaevo.models.limits import Gate
from personaevo.records import Message, Reply, Usage

Value = TypeVar("Value")
NO_KEY = "none"  # a server of one's own needs none, but the clients want one
LONGEST_REPLY = 250_000  # characters, of up to four bytes: the archive takes a megabyte
_MOST_TOKENS = 10**9  # of one reply; more is nonsense
_ENDING = "the search is ending: nothing new is asked"
_REFUSED = {
    401: "the key is refused", 403: "the key may not use it", 404: "there is no such model or address", 402: "the account has no credit",
}  # fmt: skip
_OVERLOADED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_TOO_LONG = (
    "context_length", "context length", "context size", "prompt is too long", "too many tokens", "maximum context", "request_too_large",
)  # fmt: skip
_NO_CREDIT = ("insufficient_quota", "credit balance")


class TransientError(ModelUnavailableError):
    """A failure that asking again may mend. ``kind`` is its name in reports ("429", "timeout", …), ``after`` the seconds that the server
    asked to wait for, None if it did not; ``unreachable`` if nothing was there at all."""

    def __init__(self, message: str, kind: str, after: float | None = None, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.kind, self.after, self.unreachable = kind, after, unreachable


class Loop:
    """An event loop in a thread of its own, for clients that are asynchronous; callers wait in theirs."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()

    def keep(self, client: Any) -> Any:
        """The client, which is closed with the loop."""
        self._clients.append(client)
        return client

    def run(self, make: Callable[[], Coroutine[Any, Any, Value]], gate: Gate, seconds: float) -> Value:
        """The result of the coroutine that is made when there is a place for it.

        Raises:
            TimeoutError: it took more than ``seconds`` from then on: a client's own limits are between two bytes.
            BudgetError: the loop was closed before.
        """

        async def placed() -> Value:
            async with gate, asyncio.timeout(seconds):
                return await make()

        with self._lock:  # what comes after the end would never be answered
            if self._closed:
                raise BudgetError(_ENDING)
            future = asyncio.run_coroutine_threadsafe(placed(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise BudgetError(_ENDING) from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends what still runs, the clients and the thread."""
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
class Terms:
    """How a model is asked: seconds for one answer in all, tokens that an answer may have, and how the model is called in errors."""

    seconds: float
    output_tokens: int
    label: str


class Adapter(ABC):
    """One model by one client. ``library`` is the client's package; both have errors of the same names."""

    library: ClassVar[Any]

    def __init__(self, spec: ModelSpec, loop: Loop, gate: Gate, terms: Terms) -> None:
        self.spec, self.terms = spec, terms
        self._loop, self._gate = loop, gate

    @cached_property
    def client(self) -> Any:
        """Made when first asked for, in the loop's thread."""
        return self._loop.keep(self._client())

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Ask once, when there is a place. With a ``schema`` the server is asked for that form if it can; the text is not parsed here.

        Raises:
            TransientError: asking again may help. ModelSetupError: it cannot. ReplyError: refused, or too long.
            BudgetError: the search is ending.
        """
        label, library = self.terms.label, self.library
        try:
            sent = [Message(message.role, _encodable(message.content)) for message in messages]
            return self._read(self._loop.run(lambda: self._ask(sent, schema, sample), self._gate, self.terms.seconds))
        except (TimeoutError, library.APITimeoutError):
            raise TransientError(f"{label}: no answer within {self.terms.seconds:g} s", "timeout") from None
        except library.APIConnectionError as error:
            raise unreachable(label, error) from error
        except library.APIStatusError as error:
            if self._can_do_with_less(error):
                return self.reply(messages, schema=schema, sample=sample)
            said = self._without_key(error.response.text)
            raise status_error(label, error.status_code, said, error.response.headers) from None  # the client's error repeats the body
        except (ModelError, BudgetError):
            raise
        except Exception as error:
            if any(word in f"{type(error).__name__} {error}" for word in ("api_key", "authentication method", "CredentialsError")):
                raise ModelSetupError(f"{label}: there is no key; set {self.spec.provider.upper()}_API_KEY") from None
            raise TransientError(f"{label}: a reply that is not of the protocol ({type(error).__name__})", "broken reply") from error

    @abstractmethod
    def _client(self) -> Any: ...

    @abstractmethod
    async def _ask(self, messages: Sequence[Message], schema: type[BaseModel] | None, sample: int) -> Any: ...

    @abstractmethod
    def _read(self, answer: Any) -> Reply: ...

    def _without_key(self, text: str) -> str:
        """What a server said, should it repeat the key that it got."""
        keys = (getattr(self.client, name, None) for name in ("api_key", "auth_token"))
        for key in keys:
            if isinstance(key, str) and key not in ("", NO_KEY):
                text = text.replace(key, "(key)")
        return text

    def _can_do_with_less(self, error: Any) -> bool:
        """Whether the server refused something that is not needed, and is not asked for any more."""
        return False


def label_of(role: str, spec: ModelSpec) -> str:
    """Role, model and address, as errors name them."""
    if spec.provider == "local":
        return f"{role} {spec}"
    place = spec.url or {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}.get(spec.provider, "")
    return f"{role} {spec.provider}:{spec.name} at {place}"


def status_error(label: str, status: int, body: str, headers: Mapping[str, str]) -> ModelError:
    """An HTTP status other than 200 as the error that says whether to ask again."""
    said = body.lower()
    if status == 413 or (status != 429 and any(words in said for words in _TOO_LONG)):  # 429: too many tokens per minute
        return ReplyError(f"{label}: the prompt is too long for the model")
    if status in _REFUSED or any(words in said for words in _NO_CREDIT):
        return ModelSetupError(f"{label}: {_REFUSED.get(status, 'the account has no credit')} (status {status}); {_advice(status)}")
    if status in _OVERLOADED or status >= 500:
        return TransientError(f"{label}: status {status}", str(status), retry_after(headers))
    return ModelSetupError(f"{label}: the server refuses the request (status {status}): {body[:200]!r}")


def _advice(status: int) -> str:
    if status == 404:
        return "check the name after PROVIDER: and the address after @"
    return "set OPENAI_API_KEY or ANTHROPIC_API_KEY to a valid key" if status in (401, 403) else "add credit, or choose another model"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait for: ``retry-after-ms``, or ``retry-after`` in seconds or as a date; None if it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            return None if math.isnan(seconds) else max(0.0, seconds)
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, when.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def unreachable(label: str, error: BaseException) -> TransientError:
    """Nothing listens there, or the connection broke."""
    cause = error.__cause__ or error
    reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
    refused = "refused" in reason.lower() or type(cause).__name__ == "ConnectError"
    return TransientError(f"{label}: cannot be reached ({reason[:120]})", "connection", unreachable=refused)


def counted(read: int | None, written: int | None, cached: int | None) -> Usage:
    """Tokens as a server reports them; what it does not report is 0. Raises ValueError if they are no counts: the books need some."""
    counts = [0 if count is None else count for count in (read, written, cached)]
    if any(type(count) is not int or not 0 <= count <= _MOST_TOKENS for count in counts):
        raise ValueError(f"usage {counts!r:.200}: expected numbers of tokens")
    return Usage(counts[0], counts[1], min(counts[2], counts[0]))


def answered(label: str, text: str, usage: Usage, *, cut: bool) -> Reply:
    """An answer. Raises ReplyError if its text is larger than any may be."""
    if len(text) > LONGEST_REPLY:
        raise ReplyError(f"{label}: an answer of {len(text):,} characters; at most {LONGEST_REPLY:,} are read", usage)
    return Reply(_encodable(text).replace("\0", ""), usage=usage, cut=cut)


def _encodable(text: str) -> str:
    """The text with a question mark for each half of a character."""
    return text.encode("utf-8", "replace").decode()

"""Wrappers around chat models: structured output, caching with cost accounting, models that are objects, offline replay."""

from __future__ import annotations

import contextvars
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from personaevo.chat import ChatModel, Message, ModelCall, Reply, Store, Usage
from personaevo.errors import ModelError, PersonaevoError, ReplyError
from personaevo.models.answers import parse, strict_schema
from personaevo.models.ledger import Ledger
from personaevo.models.prices import Price
from personaevo.models.refusals import TransientError
from personaevo.text import one_line, without_secrets

_SHOWN = 300  # characters of an error
_MESSAGE_TOKENS = 16  # an upper bound of a message's tokens in addition to its text
_candidate: contextvars.ContextVar[int | None] = contextvars.ContextVar("candidate", default=None)


@contextmanager
def made_for(candidate: int | None) -> Iterator[None]:
    """Record the calls made inside, in this thread, as made for this candidate."""
    token = _candidate.set(candidate)
    try:
        yield
    finally:
        _candidate.reset(token)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that an answer depends on."""

    model: str
    messages: Sequence[Message]
    schema: type[BaseModel] | None
    sample: int
    output_tokens: int

    def key(self) -> str:
        """The key in the store: a digest of the question."""
        said = [[message.role, message.content] for message in self.messages]
        form = strict_schema(self.schema) if self.schema else None
        text = json.dumps([self.model, said, form, self.sample, self.output_tokens], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def upper_bound(self) -> Usage:
        """An upper bound of the tokens: no tokenizer makes more than one of a byte."""
        size = sum(len(message.content.encode("utf-8", "surrogatepass")) + _MESSAGE_TOKENS for message in self.messages)
        form = len(json.dumps(strict_schema(self.schema))) + 2 * _MESSAGE_TOKENS if self.schema else 0
        return Usage(size + form, self.output_tokens)


class KeyLocks:
    """A lock for each key, so that equal questions asked at the same time are paid for once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a key."""
        with self._lock:
            lock, count = self._waiting.get(key, (threading.Lock(), 0))
            self._waiting[key] = lock, count + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, count = self._waiting.pop(key)
                if count > 1:
                    self._waiting[key] = lock, count - 1


@dataclass(frozen=True, slots=True)
class CallRecords:
    """The ledger and the store of answers, shared by all roles."""

    ledger: Ledger
    store: Store
    keys: KeyLocks = field(default_factory=KeyLocks)

    def failed(self, role: str, model: str, price: Price | None, error: TransientError) -> None:
        """Record a failed attempt. The tokens of a discarded answer are booked, and stored under a unique key.

        Raises:
            BudgetError: its cost leaves too little for the next attempt.
        """
        self.ledger.note_failure(role, error.kind)
        if error.usage is not None:
            reply = Reply("", usage=error.usage, cost=self.ledger.book(role, error.usage, price, 0.0), refusal=f"thrown away: {error}")
            self.store.put(ModelCall(uuid.uuid4().hex, role, model, _candidate.get(), reply, 0.0))
            self.ledger.check()


class CachedModel:
    """A model with a cache: questions with an answer in the store are not asked again. ``aliases`` are other names under which the same
    model's answers may be stored."""

    def __init__(
        self, model: ChatModel, role: str, name: str, *, output_tokens: int, price: Price | None, records: CallRecords,
        aliases: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._model, self._role, self._name, self._output_tokens = model, role, name, output_tokens
        self._price, self._records, self._aliases = price, records, tuple(aliases)

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The stored answer, or a new one.

        Raises:
            BudgetError: a new one could exceed the budget.
            ReplyError: the model refuses; this is stored too, with its cost. Other errors of the model pass through.
        """
        question = Question(self._name, messages, schema, sample, self._output_tokens)
        key = question.key()
        with self._records.keys.locked(key):
            keys = (key, *(replace(question, model=name).key() for name in self._aliases))
            reply = next((reply for one in keys if (reply := self._records.store.get(one)) is not None), None)
            if reply is None:
                reply = self._asked(question, key)
            else:
                self._records.ledger.note_known(self._role)
        if reply.refusal:
            raise ReplyError(reply.refusal)
        return reply

    def _asked(self, question: Question, key: str) -> Reply:
        ledger = self._records.ledger
        with ledger.hold(question.upper_bound(), self._price):
            begun = time.monotonic()
            try:
                reply = self._model.reply(question.messages, schema=question.schema, sample=question.sample)
            except ReplyError as error:
                reply = Reply("", usage=error.usage or Usage(), refusal=str(error))
            seconds = time.monotonic() - begun
            reply = replace(reply, cost=ledger.book(self._role, reply.usage, self._price, seconds))
            self._records.store.put(ModelCall(key, self._role, self._name, _candidate.get(), reply, seconds))
        return reply


class CustomModel:
    """A model that is a Python object of the user. An exception fails the question."""

    def __init__(self, model: ChatModel, label: str) -> None:
        self._model, self._label = model, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Its answer; the object returns a ``Reply`` or text.

        Raises:
            ReplyError: it raised an exception, or returned another type. Errors of personaevo pass through.
        """
        try:
            found: object = self._model.reply(messages, schema=schema, sample=sample)
        except PersonaevoError:
            raise
        except Exception as error:
            said = without_secrets(one_line(str(error)[:_SHOWN]))
            raise ReplyError(f"{self._label} raised {type(error).__name__}{': ' if said else ''}{said}") from error
        if not isinstance(found, Reply | str):
            raise ReplyError(f"{self._label} returned a value of type {type(found).__name__}: expected text, or a Reply")
        return Reply(found) if isinstance(found, str) else found


class StructuredModel:
    """A model with structured output: an invalid answer is sent back once, with the validation error."""

    def __init__(self, model: ChatModel, label: str) -> None:
        self._model, self._label = model, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The answer, ``parsed`` if there is a schema.

        Raises:
            ReplyError: both answers are invalid.
        """
        if schema is None:
            return self._model.reply(messages, sample=sample)
        form = json.dumps(strict_schema(schema), sort_keys=True)
        asked = [*messages, Message("user", f"Answer with one JSON object and nothing else, of this JSON schema:\n{form}")]
        reply = self._model.reply(asked, schema=schema, sample=sample)
        try:
            return replace(reply, parsed=parse(reply.text, schema))
        except ValueError as problem:
            cause = "it was cut off before its end; be shorter" if reply.cut else str(problem)[:300]
            correction = f"That answer cannot be read ({cause}). Answer again, with the JSON object only."
            again = [*asked, Message("assistant", reply.text or "(nothing)"), Message("user", correction)]
        second = self._model.reply(again, schema=schema, sample=sample)
        try:
            return replace(second, parsed=parse(second.text, schema))
        except ValueError as problem:
            why = "it was cut off, as it is too long" if second.cut else str(problem)[:200]
            raise ReplyError(f"{self._label}: the answer is not of the form asked for, twice: {why}") from None


class OfflineModel:
    """Takes the place of a model when only stored answers may be used."""

    def __init__(self, label: str) -> None:
        self._label = label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Raises ModelError."""
        raise ModelError(f"{self._label}: the recording holds no answer to this question; replay with the settings it was made with")


"""Wrappers of the chat protocol: an answer in the form asked for, an answer that was known, an answer that is paid for."""

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

from personaevo.errors import ModelError, PersonaevoError, ReplyError
from personaevo.models import answers
from personaevo.models.ledger import Ledger
from personaevo.models.prices import Price
from personaevo.models.refusals import TransientError
from personaevo.records import ChatModel, Message, ModelCall, Reply, Store, Usage
from personaevo.text import one_line, without_secrets

_SHOWN = 300  # characters of an error
_MESSAGE_TOKENS = 16  # what a message costs beside its text, generously
_candidate: contextvars.ContextVar[int | None] = contextvars.ContextVar("candidate", default=None)


@contextmanager
def made_for(candidate: int | None) -> Iterator[None]:
    """Calls inside, in this thread, are noted as made for this candidate."""
    token = _candidate.set(candidate)
    try:
        yield
    finally:
        _candidate.reset(token)


@dataclass(frozen=True, slots=True)
class Question:
    """All that an answer depends on."""

    model: str
    messages: Sequence[Message]
    schema: type[BaseModel] | None
    sample: int
    output_tokens: int

    def key(self) -> str:
        """A digest; equal questions have equal ones."""
        said = [[message.role, message.content] for message in self.messages]
        form = answers.strict_schema(self.schema) if self.schema else None
        text = json.dumps([self.model, said, form, self.sample, self.output_tokens], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def most(self) -> Usage:
        """More tokens than it can cost: no tokenizer makes more than one of a byte."""
        size = sum(len(message.content.encode("utf-8", "surrogatepass")) + _MESSAGE_TOKENS for message in self.messages)
        form = len(json.dumps(answers.strict_schema(self.schema))) + 2 * _MESSAGE_TOKENS if self.schema else 0
        return Usage(size + form, self.output_tokens)


class Keys:
    """One at a time for each key: two who ask the same at the same moment pay for one answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Waits until nobody else has the key."""
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
class Books:
    """Where answers are kept and written down; one for all roles."""

    ledger: Ledger
    store: Store
    keys: Keys = field(default_factory=Keys)

    def failed(self, role: str, model: str, price: Price | None, error: TransientError) -> None:
        """Notes a failed attempt. What an answer took that is thrown away is booked, and kept under a key of its own.

        Raises:
            BudgetError: with it, the next attempt could exceed what may be spent.
        """
        self.ledger.note_failure(role, error.kind)
        if error.usage is not None:
            reply = Reply("", usage=error.usage, cost=self.ledger.book(role, error.usage, price, 0.0), refusal=f"thrown away: {error}")
            self.store.put(ModelCall(uuid.uuid4().hex, role, model, _candidate.get(), reply, 0.0))
            self.ledger.check()


class Paid:
    """A model whose answers are kept, and paid for once: what the store has is not asked again. ``aliases`` are names that the same model's
    answers may be kept under as well."""

    def __init__(
        self, model: ChatModel, role: str, name: str, *, output_tokens: int, price: Price | None, books: Books, aliases: Sequence[str] = ()
    ) -> None:
        self._model, self._role, self._name, self._output_tokens = model, role, name, output_tokens
        self._price, self._books, self._aliases = price, books, tuple(aliases)

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The known answer, or a new one.

        Raises:
            BudgetError: a new one could exceed what may be spent.
            ReplyError: the model refuses; that is kept as well, with what it cost. Other errors of the model go through.
        """
        question = Question(self._name, messages, schema, sample, self._output_tokens)
        key = question.key()
        with self._books.keys.alone(key):
            reply = self._kept(question, key)
            if reply is None:
                reply = self._asked(question, key)
            else:
                self._books.ledger.note_known(self._role)
        if reply.refusal:
            raise ReplyError(reply.refusal)
        return reply

    def _kept(self, question: Question, key: str) -> Reply | None:
        keys = (key, *(replace(question, model=name).key() for name in self._aliases))
        return next((reply for one in keys if (reply := self._books.store.get(one)) is not None), None)

    def _asked(self, question: Question, key: str) -> Reply:
        ledger = self._books.ledger
        with ledger.hold(question.most(), self._price):
            begun = time.monotonic()
            try:
                reply = self._model.reply(question.messages, schema=question.schema, sample=question.sample)
            except ReplyError as error:
                reply = Reply("", usage=error.usage or Usage(), refusal=str(error))
            seconds = time.monotonic() - begun
            reply = replace(reply, cost=ledger.book(self._role, reply.usage, self._price, seconds))
            self._books.store.put(ModelCall(key, self._role, self._name, _candidate.get(), reply, seconds))
        return reply


class Owned:
    """A model that is an object of the caller's. What it raises costs the question."""

    def __init__(self, model: ChatModel, label: str) -> None:
        self._model, self._label = model, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Its answer, a ``Reply`` or a text.

        Raises:
            ReplyError: it raised something, or returned something else. Errors of personaevo go through.
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


class Structured:
    """A model whose answers have the form asked for: what is not is sent back once, with what is wrong."""

    def __init__(self, model: ChatModel, label: str) -> None:
        self._model, self._label = model, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The answer, ``parsed`` if there is a schema.

        Raises:
            ReplyError: neither answer has the form.
        """
        if schema is None:
            return self._model.reply(messages, sample=sample)
        asked = [*messages, Message("user", _form(schema))]
        reply = self._model.reply(asked, schema=schema, sample=sample)
        try:
            return replace(reply, parsed=answers.parse(reply.text, schema))
        except ValueError as problem:
            again = [*asked, Message("assistant", reply.text or "(nothing)"), Message("user", _correction(problem, cut=reply.cut))]
        second = self._model.reply(again, schema=schema, sample=sample)
        try:
            return replace(second, parsed=answers.parse(second.text, schema))
        except ValueError as problem:
            why = "it was cut off, as it is too long" if second.cut else str(problem)[:200]
            raise ReplyError(f"{self._label}: the answer is not of the form asked for, twice: {why}") from None


class Offline:
    """What stands where a model would, when only known answers may be used."""

    def __init__(self, label: str) -> None:
        self._label = label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """Raises ModelError."""
        raise ModelError(f"{self._label}: the recording holds no answer to this question; replay with the settings it was made with")


def _form(schema: type[BaseModel]) -> str:
    text = json.dumps(answers.strict_schema(schema), sort_keys=True)
    return f"Answer with one JSON object and nothing else, of this JSON schema:\n{text}"


def _correction(problem: ValueError, *, cut: bool) -> str:
    cause = "it was cut off before its end; be shorter" if cut else str(problem)[:300]
    return f"That answer cannot be read ({cause}). Answer again, with the JSON object only."


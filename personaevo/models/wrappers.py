"""Structured output (schemas that servers accept, tolerant parsing), and wrappers of chat models: caching, costs, offline replay."""

from __future__ import annotations

import contextvars
import hashlib
import json
import math
import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from personaevo.chat import ChatModel, Message, ModelCall, Reply, Store, Usage
from personaevo.errors import ModelError, PersonaevoError, ReplyError
from personaevo.models.ledger import Ledger, Price
from personaevo.models.refusals import TransientError
from personaevo.text import one_line, without_secrets

Form = TypeVar("Form", bound=BaseModel)

_OPENING = re.compile(r"[{\[]")
# A string, also one without an end, or a trailing comma; possessive: linear in time.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[}\]])', re.DOTALL)
_NAMED, _NOTES = ("properties", "$defs"), ("default", "title")
_MOST_WORK = 1_000_000  # characters between brackets that are parsed, from the end on
_MOST_VALUES = 200  # JSON values that are collected
_DEEPEST = 200
LONGEST = 200_000  # characters of an answer that are parsed


@lru_cache(maxsize=64)
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in strict form: every object closed, every property required. The result is cached and must not be
    changed."""
    closed: dict[str, Any] = _closed(model.model_json_schema())
    return closed


def _closed(node: Any, *, named: bool = False) -> Any:
    """``named``: the keys are property names, not keywords of JSON Schema."""
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {name: _closed(part) for name, part in node.items()}
    made = {key: _closed(value, named=key in _NAMED) for key, value in node.items() if key not in _NOTES}
    if node.get("type") == "object" and "properties" in node:
        made |= {"additionalProperties": False, "required": list(node["properties"])}
    return made


def parse(text: str, schema: type[Form]) -> Form:
    """Find and validate the JSON value of ``schema`` in ``text``, also inside a fence, with prose and brackets around it, or with trailing
    commas. Of several valid values the last is used: those before it are drafts.

    Raises:
        ValueError: there is none; the message is written for the model.
    """
    problem = ""
    for piece in _pieces(text[-LONGEST:]):
        try:
            return schema.model_validate(piece)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            problem = problem or f"{place}: {first['msg'].lower()}"  # of the outermost value, not of one inside it
    raise ValueError(problem or "it holds no JSON")


def _pieces(text: str) -> Iterator[Any]:
    """The JSON values in a text, the most likely first: the whole text if it is JSON, then the outermost values from last to first, then
    values inside others."""
    whole = _loaded(text.strip())
    if whole is not None:
        yield whole
    found: list[tuple[int, int, Any]] = []  # by start, the last one first
    looked_at = 0
    for start in (match.start() for match in reversed(list(_OPENING.finditer(text)))):
        piece = _balanced(text, start)
        looked_at += len(piece) or len(text) - start
        if looked_at > _MOST_WORK:
            break
        value = _loaded(piece)
        if value is not None:
            found.append((start, start + len(piece), value))
        if len(found) == _MOST_VALUES:
            break
    inside: list[Any] = []
    outer = list(accumulate((end for _, end, _ in reversed(found)), max, initial=-1))  # the farthest end of the values that begin earlier
    for (_, end, value), reach in zip(found, reversed(outer[:-1]), strict=True):
        if reach >= end:
            inside.append(value)
        else:
            yield value
    yield from inside


def _loaded(text: str) -> Any:
    """The value, None if it is not JSON even without trailing commas. NaN and infinities become None; lone surrogates become "?"."""
    for form in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            value = json.loads(
                form, parse_constant=lambda name: None, parse_float=lambda text: number if math.isfinite(number := float(text)) else None
            )
            return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) if "\\u" in form else value
        except (ValueError, RecursionError):
            continue
    return None


def _balanced(text: str, start: int) -> str:
    """The text from an opening bracket to the matching one; "" if there is none, or the nesting is too deep."""
    depth, inside, escaped = 0, False, False
    for index in range(start, len(text)):
        char = text[index]
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        inside = char == '"'
        depth += (char in "{[") - (char in "}]")
        if depth == 0:
            return text[start : index + 1]
        if depth > _DEEPEST:
            break
    return ""


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

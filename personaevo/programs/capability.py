"""A program's access to a model: the program sends questions, the host asks the model, counts and enforces the limits."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from personaevo.chat import ChatModel, Message
from personaevo.errors import ReplyError
from personaevo.programs.channel import SPOOFED, Channel, Frame, StoppedError

DIFFERENT_QUESTION = "it asked the model something else when repeated"
_LONGEST_MESSAGE = 300  # characters of the server's message, as the program sees it
Question = tuple[str, str | None]
Answered = tuple[Mapping[str, str], float]  # {"text"} or {"refused"} for the child, and the seconds that the model took
AskModel = Callable[[int, int, Question | None], Answered]


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Limits of one program's model use. Over all its calls of ``generate`` together: questions, input and output tokens, seconds of
    waiting. Each: the characters of one question (prompt and system) and of one answer."""

    calls: int = 100
    tokens: int = 200_000
    seconds: float = 300.0
    question_characters: int = 50_000
    answer_characters: int = 50_000


class ModelAccess:
    """Answers one program's questions. Those of the first run go to the model; the second run must ask the same and gets the same
    answers."""

    def __init__(self, model: ChatModel, limits: ModelLimits) -> None:
        self._model = model
        self._limits = limits
        self._known: dict[tuple[int, int], tuple[bytes, Mapping[str, str]]] = {}
        self._samples: Counter[tuple[int, bytes]] = Counter()
        self._calls = self._tokens = 0
        self._seconds = 0.0

    def ask(self, call: int, place: int, question: Question | None) -> Answered:
        """Answer question number ``place`` of call ``call``; None: the call asks no more. Exceptions of the model pass through."""
        mark, answer, before = _digest(question), dict[str, str](), self._seconds
        if question is not None:
            answer = self._refusal(question) or self._asked(question, self._samples[call, mark])
            self._samples[call, mark] += 1
        self._known[call, place] = mark, answer
        return answer, self._seconds - before

    def again(self, call: int, place: int, question: Question | None) -> Answered:
        """Return the first run's answer. Raises StoppedError if the question is not the first run's."""
        mark, answer = self._known[call, place]
        if mark != _digest(question):
            raise StoppedError(DIFFERENT_QUESTION)
        return answer, 0.0

    def _refusal(self, question: Question) -> dict[str, str] | None:
        limits, size = self._limits, sum(len(part or "") for part in question)
        if size > limits.question_characters:
            return _refused(f"at most {limits.question_characters:,} characters a question, this one has {size:,}")
        if any("\ud800" <= character <= "\udfff" for part in question for character in part or ""):
            return _refused("text, this question contains half a surrogate pair")
        if self._calls >= limits.calls:
            return _refused(f"at most {limits.calls:,} questions per program")
        if self._tokens >= limits.tokens:
            return _refused(f"at most {limits.tokens:,} tokens per program")
        if self._seconds >= limits.seconds:
            return _refused(f"at most {limits.seconds:g} s of answers per program")
        return None

    def _asked(self, question: Question, sample: int) -> dict[str, str]:
        prompt, system = question
        messages = [Message("system", system)] if system else []
        start = time.monotonic()
        try:
            reply = self._model.reply([*messages, Message("user", prompt)], sample=sample)
        except ReplyError as error:
            return {"refused": f"the model gave no answer that can be used: {str(error)[:_LONGEST_MESSAGE]}"}
        finally:
            self._seconds += time.monotonic() - start
            self._calls += 1
        self._tokens += reply.usage.input_tokens + reply.usage.output_tokens
        if len(reply.text) > self._limits.answer_characters:
            return _refused(f"at most {self._limits.answer_characters:,} characters an answer, this one has {len(reply.text):,}")
        return {"text": reply.text}


def read_result(channel: Channel, ask: AskModel | None, call: int) -> Frame:
    """Read the result of one call, answering the program's questions to the model until it comes. Raises StoppedError."""
    seconds, place = 0.0, 0
    while True:
        frame = channel.answer(b"REM" if ask else b"RE")
        seconds += frame.seconds
        reply, waited = ask(call, place, _question(frame)) if ask else ({}, 0.0)
        if frame.kind != b"M":
            return replace(frame, seconds=seconds)
        channel.reply(reply, waited)
        place += 1


def _question(frame: Frame) -> Question | None:
    if frame.kind != b"M":
        return None
    try:
        prompt, system = json.loads(frame.body)
    except (ValueError, TypeError, RecursionError):
        raise StoppedError(SPOOFED) from None
    if not isinstance(prompt, str) or not isinstance(system, str | None):
        raise StoppedError(SPOOFED)
    return prompt, system


def _refused(limit: str) -> dict[str, str]:
    return {"refused": f"model limit: {limit}"}


def _digest(question: Question | None) -> bytes:
    """A digest stands for the question, as a program may ask many large ones."""
    return hashlib.blake2b(repr(question).encode(), digest_size=16).digest() if question is not None else b""

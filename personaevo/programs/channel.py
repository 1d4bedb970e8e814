"""The parent's end of the conversation with one child: its processor usage, sending requests and reading frames, its access to a model.

The child's processor time and sleep come from the kernel's counters, which no program can change.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from personaevo.chat import ChatModel, Message
from personaevo.errors import ReplyError

_CPU_CLOCK = 2  # clock of a process, all its threads: linux/posix-timers.h


class Child:
    """The current child of a fork server, which has one at a time."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._pid = 0

    def seconds(self) -> float:
        """Processor time since it was forked; 0 if unknown."""
        with suppress(OSError, ValueError, IndexError):
            return time.clock_gettime(~self._child_pid() << 3 | _CPU_CLOCK)
        return 0.0

    def sleeps(self) -> bool:
        """Whether it sleeps now, so that it would not run even on a free processor."""
        with suppress(OSError, ValueError, IndexError):
            return Path(f"/proc/{self._child_pid()}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S"
        return False

    def _child_pid(self) -> int:
        if not self._pid:
            self._pid = int(Path(f"/proc/{self._server}/task/{self._server}/children").read_bytes().split()[0])
        return self._pid


Value = TypeVar("Value")
_PERSONAS = 50  # personas of a call that double its processor time
_SLEEP = 2.0  # times the processor time, without a break: a program has no threads and no clock, so nothing would wake it
_SHORTEST_CHECK = 0.01  # seconds between two looks at the counters
_START_SECONDS = 20.0
_LONGEST_FAILURE = 300
_HEADROOM = 1024
SPOOFED = "protocol: the program wrote to the sandbox's own channel"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message from the child: its kind (see ``worker/run.py``), its body and the seconds waited for it."""

    kind: bytes
    body: bytes
    seconds: float


class StoppedError(Exception):
    """The child gives no more answers. ``reason`` is "" if it closed the socket: then its exit status tells why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotReadyError(Exception):
    """The child could not isolate itself, for the reason given; "" if it just ended."""


class Channel:
    """A connection to one child; a context manager that closes the socket. Methods raise StoppedError.

    ``wall_seconds`` limits the whole conversation. ``cpu_seconds`` limits the processor time of loading the program and of each call,
    plus a fiftieth for each persona of the call; a child that sleeps for twice as long is stopped. Without ``child`` only the wall clock
    counts. ``most_bytes`` limits the body of one frame.
    """

    def __init__(
        self, sock: socket.socket, wall_seconds: float, most_bytes: int, cpu_seconds: float = math.inf, child: Child | None = None
    ) -> None:
        self._socket = sock
        self._wall, self._cpu, self._allowed = wall_seconds, cpu_seconds, cpu_seconds
        self._child = child
        self._before = self._used = 0.0  # processor time when the current work began, and at the last check
        self._moved = 0.0  # when it was last seen to grow
        self._check_at = math.inf
        self._deadline = time.monotonic() + _START_SECONDS
        self._most = most_bytes
        self._token = secrets.token_hex(8).encode()
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, request: Mapping[str, Any], code: bytes) -> None:
        """Send the request and the compiled program (b"" if unknown), and return when the child is isolated: the program's time starts
        then. Raises NotReadyError if isolation fails, which is not the program's fault."""
        try:
            self._write(json.dumps({"token": self._token.decode(), **request}).encode(), code)
            ready = self._read(1) == b"!"
        except StoppedError as stop:
            raise NotReadyError("") from stop
        if not ready:
            with suppress(StoppedError):  # read what the child or its server wrote before it closed the socket
                self._read(_LONGEST_FAILURE)
            raise NotReadyError(self._buffer.decode(errors="replace"))
        self._deadline = time.monotonic() + self._wall
        self._begin(self._cpu)

    def call(self, task: object, n: int, seed: int) -> None:
        """Request one call of ``generate``. Calls are sent one at a time, so that a program knows nothing of the others."""
        self._begin(self._cpu * (1.0 + n / _PERSONAS))
        self._write(json.dumps([task, n, seed]).encode())

    def reply(self, message: Mapping[str, str], waited: float) -> None:
        """Answer a question of the program; the ``waited`` seconds do not count against its deadline."""
        self._deadline += waited
        self._write(json.dumps(message).encode())

    def answer(self, kinds: bytes) -> Frame:
        """Read the next frame, which must be of one of ``kinds``."""
        start = time.monotonic()
        size = struct.unpack(">I", self._read(4))[0]
        head = len(self._token) + 1
        if size < head:
            raise StoppedError(SPOOFED)
        if size > self._most + head + _HEADROOM:  # the child enforces the limit too: the program wrote this
            raise StoppedError(f"output limit of {self._most / 1e6:g} MB")
        frame = self._read(size)
        kind = frame[head - 1 : head]
        if not secrets.compare_digest(frame[: head - 1], self._token) or kind not in kinds:
            raise StoppedError(SPOOFED)
        return Frame(kind, frame[head:], time.monotonic() - start)

    def _write(self, *frames: bytes) -> None:
        view = memoryview(b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))
        while view:
            part = view
            view = view[self._retry(lambda: self._socket.send(part, socket.MSG_NOSIGNAL)) :]  # noqa: B023 - called at once

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            part = self._retry(lambda: self._socket.recv(1 << 16))
            if not part:
                raise StoppedError("")
            self._buffer += part
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _retry(self, act: Callable[[], Value]) -> Value:
        """Repeat a socket operation until it succeeds, checking the limits whenever it times out."""
        while True:
            now = time.monotonic()
            if now >= self._check_at:
                self._check_usage(now)
            if now >= self._deadline:
                raise StoppedError(f"time limit of {self._wall:g} s")
            self._socket.settimeout(min(self._deadline, self._check_at) - now)
            try:
                return act()
            except TimeoutError:
                continue
            except OSError:
                raise StoppedError("") from None

    def _begin(self, allowed: float) -> None:
        """Start counting the program's processor time, of which it may use ``allowed`` seconds."""
        if self._child is not None:
            self._allowed = allowed
            self._before = self._used = self._child.seconds()
            self._moved = time.monotonic()
            self._check_at = self._moved + allowed

    def _check_usage(self, now: float) -> None:
        """Stop a child that has used its processor time or that sleeps; set the time of the next check."""
        assert self._child is not None, "only a child's usage is checked"
        used, asleep = self._child.seconds(), _SLEEP * self._allowed
        left = self._allowed - (used - self._before)
        if left <= 0:
            raise StoppedError(f"processor time limit of {self._allowed:.3g} s")
        if used != self._used or not self._child.sleeps():
            self._used, self._moved = used, now
        elif now - self._moved >= asleep:
            raise StoppedError(f"sleep limit of {asleep:.3g} s: it waits for what never comes")
        self._check_at = now + max(left, _SHORTEST_CHECK)


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

"""The parent's end of the socket to one child: requests out, frames in, under one deadline, and with an eye on whoever takes long.

A program that loops has used the processor, and one that is stuck has slept; neither is the machine's fault. Both are told from a program
that waits for a busy processor by what the kernel counts (``usage``), which is looked at where an answer is not there soon.
"""

from __future__ import annotations

import json
import math
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from personaevo.programs.usage import Child

Value = TypeVar("Value")
_PERSONAS = 50  # that double what a call may take
_SLEEP = 2.0  # times the processor time, without a break: a program has no threads and no clock, nobody would wake it
_SHORTEST_LOOK = 0.01
_START_SECONDS = 20.0
_LONGEST_FAILURE = 300
_HEADROOM = 1024
SPOOFED = "protocol: the program wrote to the sandbox's own channel"


@dataclass(frozen=True, slots=True)
class Answer:
    """One frame: its kind (see ``worker/run.py``), its body and the seconds waited for it."""

    kind: bytes
    body: bytes
    seconds: float


class StoppedError(Exception):
    """No answer will come. ``reason`` is "" when the child hung up: then its exit status knows why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotReadyError(Exception):
    """The child could not put up its walls, for the reason given; "" if it just ended."""


class Channel:
    """Talks to one child; a context manager that closes the socket. Methods raise StoppedError.

    ``wall_seconds`` are for the whole conversation, ``cpu_seconds`` of processor time for loading the program and for each call of it,
    which has a fiftieth more for each persona; who sleeps for twice as long is stuck. Without the ``child`` only the wall clock counts.
    """

    def __init__(
        self, sock: socket.socket, wall_seconds: float, most_bytes: int, cpu_seconds: float = math.inf, child: Child | None = None
    ) -> None:
        self._socket = sock
        self._wall, self._cpu, self._allowed = wall_seconds, cpu_seconds, cpu_seconds
        self._child = child
        self._before = self._used = 0.0  # processor time, when the present work began and when it was last looked at
        self._moved = 0.0  # when that was seen to grow
        self._look_at = math.inf
        self._deadline = time.monotonic() + _START_SECONDS
        self._most = most_bytes
        self._token = secrets.token_hex(8).encode()
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def ask(self, request: Mapping[str, Any], code: bytes) -> None:
        """Send what to run and the compiled program (b"" if it is not known), and return when the child stands behind its walls: the
        program's time starts now. Raises NotReadyError if it does not get there, which is not the program's fault."""
        try:
            self._write(json.dumps({"token": self._token.decode(), **request}).encode(), code)
            ready = self._read(1) == b"!"
        except StoppedError as stop:
            raise NotReadyError("") from stop
        if not ready:
            raise NotReadyError(self._rest())
        self._deadline = time.monotonic() + self._wall
        self._begin(self._cpu)

    def call(self, task: object, n: int, seed: int) -> None:
        """Ask for one call of ``generate``. One at a time: a program is to know nothing of the others."""
        self._begin(self._cpu * (1.0 + n / _PERSONAS))
        self._write(json.dumps([task, n, seed]).encode())

    def reply(self, message: Mapping[str, str], waited: float) -> None:
        """Answer a question of the program, after ``waited`` seconds that are not its own."""
        self._deadline += waited
        self._write(json.dumps(message).encode())

    def answer(self, kinds: bytes) -> Answer:
        """The next frame, which must be of one of ``kinds``."""
        start = time.monotonic()
        size = struct.unpack(">I", self._read(4))[0]
        head = len(self._token) + 1
        if size < head:
            raise StoppedError(SPOOFED)
        if size > self._most + head + _HEADROOM:  # the child keeps to the limit itself, unless the program wrote this
            raise StoppedError(f"output limit of {self._most / 1e6:g} MB")
        frame = self._read(size)
        kind = frame[head - 1 : head]
        if not secrets.compare_digest(frame[: head - 1], self._token) or kind not in kinds:
            raise StoppedError(SPOOFED)
        return Answer(kind, frame[head:], time.monotonic() - start)

    def _write(self, *frames: bytes) -> None:
        view = memoryview(b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))
        while view:
            part = view
            view = view[self._patiently(lambda: self._socket.send(part, socket.MSG_NOSIGNAL)) :]  # noqa: B023 - called at once

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            part = self._patiently(lambda: self._socket.recv(1 << 16))
            if not part:
                raise StoppedError("")
            self._buffer += part
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _patiently(self, act: Callable[[], Value]) -> Value:
        """What the socket gives, once it does."""
        while True:
            now = time.monotonic()
            if now >= self._look_at:
                self._look(now)
            if now >= self._deadline:
                raise StoppedError(f"time limit of {self._wall:g} s")
            self._socket.settimeout(min(self._deadline, self._look_at) - now)
            try:
                return act()
            except TimeoutError:
                continue
            except OSError:
                raise StoppedError("") from None

    def _begin(self, allowed: float) -> None:
        """The program is given something to do."""
        if self._child is not None:
            self._allowed = allowed
            self._before = self._used = self._child.seconds()
            self._moved = time.monotonic()
            self._look_at = self._moved + allowed

    def _look(self, now: float) -> None:
        """Stops a child that has used its processor time, or that has slept all the while; sets when to look again."""
        assert self._child is not None, "else nobody looks"
        used, asleep = self._child.seconds(), _SLEEP * self._allowed
        left = self._allowed - (used - self._before)
        if left <= 0:
            raise StoppedError(f"processor time limit of {self._allowed:.3g} s")
        if used != self._used or not self._child.sleeps():
            self._used, self._moved = used, now
        elif now - self._moved >= asleep:
            raise StoppedError(f"sleep limit of {asleep:.3g} s: it waits for what never comes")
        self._look_at = now + max(left, _SHORTEST_LOOK)

    def _rest(self) -> str:
        """What the child or its server wrote before hanging up."""
        with suppress(StoppedError):
            self._read(_LONGEST_FAILURE)
        return self._buffer.decode(errors="replace")

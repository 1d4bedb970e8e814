"""The parent's end of the socket to one child: sends requests and reads frames, under a deadline and processor time limits.

A program that loops uses processor time, and one that is stuck sleeps. The kernel's counters (``usage``) tell both from a program that
waits for a busy processor; they are read when an answer takes long.
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

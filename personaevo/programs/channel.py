"""The parent's end of the socket to one child: requests out, frames in, under one deadline."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

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
    """Talks to one child; a context manager that closes the socket. Methods raise StoppedError."""

    def __init__(self, sock: socket.socket, wall_seconds: float, most_bytes: int) -> None:
        self._socket = sock
        self._wall = wall_seconds
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

    def call(self, arguments: Sequence[object]) -> None:
        """Ask for one call of ``generate``. One at a time: a program is to know nothing of the others."""
        self._write(json.dumps(arguments).encode())

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
            self._wait()
            try:
                view = view[self._socket.send(view, socket.MSG_NOSIGNAL) :]
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise StoppedError("") from None

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._wait()
            try:
                part = self._socket.recv(1 << 16)
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise StoppedError("") from None
            if not part:
                raise StoppedError("")
            self._buffer += part
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _rest(self) -> str:
        """What the child or its server wrote before hanging up."""
        with suppress(StoppedError):
            self._read(_LONGEST_FAILURE)
        return self._buffer.decode(errors="replace")

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        self._socket.settimeout(left)

    def _late(self) -> StoppedError:
        return StoppedError(f"time limit of {self._wall:g} s")

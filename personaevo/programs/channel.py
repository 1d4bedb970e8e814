"""The parent's end of the socket to one child: requests out, frames in, under one deadline."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 20.0
_LONGEST_FAILURE = 300
_HEADROOM = 1024
SPOOFED = "protocol: the program wrote to the sandbox's own channel"


@dataclass(frozen=True, slots=True)
class Answer:
    """One frame: its kind (see ``worker/run.py``), its JSON and the seconds waited for it."""

    kind: bytes
    body: bytes
    seconds: float


class StoppedError(Exception):
    """No answer will come. ``reason`` is "" when the child hung up: then its exit status knows why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Channel:
    """Talks to one child; a context manager that closes the socket. Every method raises StoppedError."""

    def __init__(self, sock: socket.socket, wall_seconds: float, most_bytes: int) -> None:
        self._socket = sock
        self._wall = wall_seconds
        self._deadline = time.monotonic() + _START_SECONDS
        self._most = most_bytes
        self._token = secrets.token_hex(8).encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def wait_ready(self) -> None:
        """Return when the child stands behind its walls. If it does not get there, it is not the program's fault."""
        if self._read(1) != b"!":
            raise StoppedError(self._socket.recv(_LONGEST_FAILURE).decode(errors="replace"))

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send what to run; the program's time starts now."""
        self._deadline = time.monotonic() + self._wall
        self._write({"token": self._token.decode(), **request})

    def reply(self, message: Mapping[str, str], waited: float) -> None:
        """Answer a question of the program, after ``waited`` seconds that are not its own."""
        self._deadline += waited
        self._write(message)

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

    def _write(self, message: Mapping[str, Any]) -> None:
        body = json.dumps(message).encode()
        view = memoryview(struct.pack(">I", len(body)) + body)
        while view:
            self._wait()
            try:
                view = view[self._socket.send(view, socket.MSG_NOSIGNAL) :]
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise StoppedError("") from None

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait()
            try:
                part = self._socket.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise StoppedError("") from None
            if not part:
                raise StoppedError("")
            data += part
        return bytes(data)

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        self._socket.settimeout(left)

    def _late(self) -> StoppedError:
        return StoppedError(f"time limit of {self._wall:g} s")

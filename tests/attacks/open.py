"""No walls at all: programs are executed in an ordinary process with everything open, and what comes back is believed.

It stands for what most people would write first, and shows that the attacks are attacks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from personaevo.chat import Message
from personaevo.programs import Call

_MOST_BYTES = 80 << 20  # so that floods stay bounded
_HEAD = 17
Frame = tuple[bytes, bytes]  # kind, body

# A process that waits for one that runs the program: what the servers of the sandbox do, without a wall.
_RUNNER = """
import os, sys
pid = os.fork()
if pid:
    os.closerange(0, 4)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 127)
import ctypes, dataclasses, enum, gc, inspect, itertools, json, linecache, random, re, resource
import select, signal, socket, statistics, string, struct, typing, warnings
class Link:
    token = b"0" * 16
    def send(self, kind, body):
        data = self.token + kind + body.encode()
        data = memoryview(len(data).to_bytes(4, "big") + data)
        while data:
            data = data[os.write(3, data):]
    def receive(self):
        size = int.from_bytes(os.read(3, 4), "big")
        text = b""
        while len(text) < size:
            text += os.read(3, size - len(text))
        return json.loads(text)
class Model:
    def __init__(self, link):
        self.link = link
    def complete(self, prompt, system=None):
        self.link.send(b"M", json.dumps([prompt, system]))
        return self.link.receive()["text"]
def encode_result(value):
    return json.dumps(value)
def run(link):
    request = link.receive()
    try:
        program = type(sys)("program")
        sys.modules["program"] = program
        exec(compile(request["source"], "<program>", "exec"), vars(program))
        link.send(b"A", encode_result(program.AXES))
    except BaseException as error:
        link.send(b"F", encode_result(str(error)))
        return
    for task, n, seed in request["calls"]:
        random.seed(seed)
        try:
            link.send(b"R", encode_result(program.generate(task, n, random.Random(seed), Model(link))))
        except Exception as error:
            link.send(b"E", encode_result(str(error)))
run(Link())
"""


@dataclass(frozen=True, slots=True)
class Believed:
    """What came back, as it came."""

    ok: bool
    personas: Any = ()
    reason: str | None = None
    fault: str | None = None


class Open:
    """Has the methods of a Sandbox that the range uses. Gives up after ``patience`` seconds, with the fault "late"."""

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def server_pids(self) -> list[int]:
        return []

    def close(self) -> None:
        """Nothing to close."""

    def run_many(self, source: str, calls: Sequence[Call], model: Any) -> list[Believed]:
        """One answer per call, unchecked. Raises whatever reading it raises."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                command = [sys.executable, "-c", f"import os\nfor fd in (1, 2, 3): os.dup2(0, fd)\n{_RUNNER}"]
                process = subprocess.Popen(command, stdin=theirs.fileno(), close_fds=False, start_new_session=True)
            request = json.dumps({"source": source, "calls": [(call.task, call.n, call.seed) for call in calls]}).encode()
            ours.sendall(_framed(request))
            try:
                frames, gave_up = self._frames(ours, process, model)
                lost = "late" if gave_up else "infrastructure" if self._ended(process) < 0 else None
                return _answers(frames, len(calls), lost)
            finally:
                process.returncode = process.returncode or 0  # what is still running is seen by the range, which ends it

    def _frames(self, sock: socket.socket, process: subprocess.Popen[bytes], model: Any) -> tuple[list[Frame], bool]:
        """All frames until the program hangs up, and whether it was not waited for."""
        frames: list[Frame] = []
        size, end = 0, time.monotonic() + self._patience
        while size < _MOST_BYTES and time.monotonic() < end and (frame := self._frame(sock, end)):
            frames.append((frame[_HEAD - 1 : _HEAD], frame[_HEAD:]))
            size += len(frame)
            if frames[-1][0] == b"M":
                prompt, system = json.loads(frames[-1][1])
                sock.sendall(_framed(json.dumps({"text": model.reply([Message("system", system), Message("user", prompt)]).text}).encode()))
        gave_up = size >= _MOST_BYTES or time.monotonic() > end
        if gave_up:
            os.killpg(process.pid, signal.SIGKILL)
        return frames, gave_up

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.3)
        return 0

    def _frame(self, sock: socket.socket, end: float) -> bytes:
        """The next frame; what there is of it when no more comes."""
        size = int.from_bytes(self._exactly(sock, 4, end), "big")
        return self._exactly(sock, min(size, _MOST_BYTES), end)

    def _exactly(self, sock: socket.socket, size: int, end: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            sock.settimeout(max(end - time.monotonic(), 1e-3))
            try:
                part = sock.recv(min(size - len(data), 1 << 20))
            except (TimeoutError, ConnectionError):
                break
            if not part:
                break
            data += part
        return bytes(data)


def _answers(frames: list[Frame], count: int, lost: str | None) -> list[Believed]:
    answers = [_believed(kind, body) for kind, body in frames if kind in (b"A", b"R", b"E")][1:]
    missing = Believed(False, reason="no answer")
    return [replace(answer, fault=lost) for answer in [*answers, *[missing] * count][:count]]


def _believed(kind: bytes, body: bytes) -> Believed:
    value = json.loads(body)
    return Believed(True, personas=value) if kind == b"R" else Believed(False, reason=value)


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body

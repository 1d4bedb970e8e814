"""Start and control one fork server (``worker/serve.py``) from the parent."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from personaevo.errors import SandboxError
from personaevo.programs.rules import ALLOWED_IMPORTS

_FOLDER = Path(__file__).parent
# Isolated as with -I -S, spelled out because -I also ignores PYTHONHASHSEED. The package ``worker`` is imported from its folder, not
# through personaevo: the server loads only the standard library and the packages of its tier ("packages": their folders).
_BOOTSTRAP = "import sys; sys.path += sys.argv[1].split('\\n'); from worker import {server}; {server}.main()"
_ADDR_NO_RANDOMIZE, _ADDR_COMPAT_LAYOUT, _ASK = 0x0040000, 0x0200000, 0xFFFFFFFF  # linux/personality.h
_START_SECONDS = 60.0
_REPLY_SECONDS = 20.0


class ServerLostError(Exception):
    """The server died or cannot fork; internal to the sandbox, which starts another."""


class Server:
    """A running fork server.

    Its environment has two variables, cleared before any program runs: one sets ``hash_seed``, which fixes the order of sets, and one
    makes the linker resolve symbols at start, not in every child.
    """

    def __init__(self, limits: Mapping[str, Any], hash_seed: int) -> None:
        ours, theirs = socket.socketpair()
        config = json.dumps({**limits, "modules": ALLOWED_IMPORTS, "hash_seed": hash_seed})
        begin, folders = _BOOTSTRAP.format(server=limits["server"]), "\n".join([str(_FOLDER), *limits["packages"]])
        command = [sys.executable or "python3", "-P", "-s", "-S", "-c", begin, folders, config]
        try:
            with _fixed_addresses(hash_seed):
                self._process = subprocess.Popen(  # close_fds is the default; in its own session the server gets no Ctrl-C
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
                    env={"PYTHONHASHSEED": str(hash_seed), "LD_BIND_NOW": "1"}, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            ours.close()
            raise SandboxError(f"the sandbox's server cannot be started with {command[0]}: {error}") from error
        finally:
            theirs.close()
        self._owner = os.getpid()
        self._control = ours
        self.close = weakref.finalize(self, _close, ours, self._process, self._owner)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """False once closed, and in a process forked from the owner, which must not share the server."""
        return bool(self.close.alive) and self._owner == os.getpid()

    def wait_ready(self) -> None:
        """Return when the server accepts orders. Raises SandboxError with its error output if it ended instead."""
        self._control.settimeout(_START_SECONDS)
        try:
            ready = self._control.recv(1) == b"!"
        except OSError:
            ready = False
        errors = self._process.stderr
        assert errors is not None
        if not ready:
            self._process.kill()
            text = errors.read().decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
            self.close()
            raise SandboxError(
                f"the sandbox's server did not start: {text[-1]}; the sandbox needs Linux and a full standard library"
            )
        errors.close()
        self._control.settimeout(_REPLY_SECONDS)

    def fork(self) -> socket.socket:
        """Order a child and return the socket to it, which is closed if forking fails. Raises ServerLostError."""
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"R"], [theirs.fileno()], socket.MSG_NOSIGNAL)
        except OSError as error:
            ours.close()
            raise ServerLostError(str(error)) from error
        finally:
            theirs.close()
        return ours

    def end(self) -> None:
        """Kill the child and all processes that it started. Raises ServerLostError."""
        self._order(b"K")

    def ending(self) -> int:
        """The wait status of a child that closed its socket; it gets a moment to end by itself. Raises ServerLostError."""
        self._order(b"W")
        data = b""
        while len(data) < 4:
            try:
                part = self._control.recv(4 - len(data))
            except OSError as error:
                raise ServerLostError(str(error)) from error
            if not part:
                raise ServerLostError("it ended")
            data += part
        return int(struct.unpack("<i", data)[0])

    def _order(self, order: bytes) -> None:
        try:
            self._control.send(order, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise ServerLostError(str(error)) from error


@contextmanager
def _fixed_addresses(seed: int) -> Iterator[None]:
    """Processes that this thread starts inside have the same memory addresses every time, other ones for another seed (0 or 1), so that
    programs cannot use addresses as random numbers. A container may refuse the setting; then they are random."""
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    before = personality(_ASK) & _ASK
    personality(before | _ADDR_NO_RANDOMIZE | seed * _ADDR_COMPAT_LAYOUT)
    try:
        yield
    finally:
        personality(before)


def _close(control: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a forked process does not own the server
        control.close()
        return
    with contextlib.suppress(OSError):  # it has ended already
        control.shutdown(socket.SHUT_RDWR)  # ends the server even if a forked process holds a copy of the socket
    control.close()
    try:
        process.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()

"""A fork server: modules are loaded once, here; each run is one forked child. The parent's orders come over a socket that is this
process's stdin:

    R + a socket   fork a child that talks over that socket; what goes wrong is said there
    K              kill the child and all it started, now
    W              the same, after it had a moment to end itself → its wait status

End of file, or the end of the parent process, ends everything. The protocol has its own socket because stdin, stdout and stderr are
the program's, and go nowhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable

from .harden import CHANNEL, Walls
from .run import Limits, Link, run_program, without_chance

Runner = Callable[[Link, Limits], None]

READY, FAILED = b"!", b"?"
PATIENCE = 0.5
PR_SET_CHILD_SUBREAPER = 36
# Needed by the standard library behind the allowed modules; a child cannot open files to load them when asked.
PRELOAD = ("unicodedata", "encodings.ascii", "encodings.latin_1", "copy", "weakref", "numbers", "operator", "linecache")


def run_child(server: int, walls: Walls, runner: Runner, limits: Limits) -> None:
    """Put up the walls, run the program, answer. Ends the process; nothing of the server's state is unwound."""
    try:
        try:
            walls.put_up(server)
        except OSError as error:
            os.write(CHANNEL, FAILED + str(error).encode())
            return
        os.write(CHANNEL, READY)
        runner(Link(CHANNEL, CHANNEL), limits)
    finally:
        os._exit(0)


class Server:
    """Forks one child at a time."""

    def __init__(self, control: socket.socket, runner: Runner, limits: Limits) -> None:
        self.control = control
        self.runner = runner
        self.limits = limits
        self.walls = Walls(limits)
        self.child = 0

    def serve(self) -> None:
        """Obey until the parent is gone. Its death by SIGKILL closes its end of the socket, unless a process that it
        forked holds a copy, so its pid is watched too. (PR_SET_PDEATHSIG would not do here: it fires when the *thread*
        that started this process ends.)"""
        waiting = select.poll()
        waiting.register(self.control, select.POLLIN)
        try:
            parent = os.pidfd_open(os.getppid())
            waiting.register(parent, select.POLLIN)
        except (AttributeError, OSError):  # an old kernel
            parent = -1
        self.control.sendall(READY)
        while True:
            ready = [fd for fd, _ in waiting.poll()]
            if parent in ready or not self.obey():
                break
        self.end(0.0)

    def obey(self) -> bool:
        order, ancillary, _, _ = self.control.recvmsg(1, socket.CMSG_SPACE(4))
        if order == b"R":
            self.end(0.0)
            self.fork(*struct.unpack("i", ancillary[0][2]))
        elif order == b"K":
            self.end(0.0)
        elif order == b"W":
            self.control.sendall(struct.pack("<i", self.end(PATIENCE)))
        return bool(order)

    def fork(self, channel: int) -> None:
        server = os.getpid()
        try:
            self.child = os.fork()
        except OSError as error:
            os.write(channel, FAILED + f"fork: {error.strerror}".encode())
        if self.child == 0:
            os.dup2(channel, CHANNEL)
            run_child(server, self.walls, self.runner, self.limits)
        os.close(channel)

    def end(self, patience: float) -> int:
        """Kill the child with its group, then everything that it left behind; only then is its pid free again."""
        if not self.child:
            return 0
        child, self.child, status = self.child, 0, 0
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        for send in (os.killpg, os.kill):  # the group may not exist yet
            with contextlib.suppress(OSError):
                send(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        self.reap()
        return status

    def reap(self) -> None:
        """Orphans of the child are this process's children now (it is their subreaper)."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                for orphan in children():
                    os.kill(orphan, signal.SIGKILL)
                time.sleep(0.001)


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def other_addresses(seed: int) -> list[object]:
    """Servers with different seeds have different addresses as long as the result is kept: it takes the next blocks of all sizes."""
    sizes = (*range(1, 513), *range(513, 8192, 16))
    return [*(object() for _ in range(seed * 1000)), *(bytes(size) for size in sizes for _ in range(seed))]


def main(begin: Callable[[Limits], Runner] = lambda _: run_program) -> None:
    """``begin`` prepares the server and says how its children run a program; it may change the limits."""
    limits = json.loads(sys.argv[2])
    control = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR)
    os.environ.clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.register_at_fork = lambda **_: None  # ``random`` would seed itself anew in every child
    for module in (*limits["modules"], *PRELOAD):
        importlib.import_module(module)
    without_chance()
    runner = begin(limits)
    warnings.simplefilter("ignore")  # showing one would read files
    sys.path.clear()
    sys.meta_path[:] = sys.meta_path[:2]  # built-in and frozen: a search for files could only fail, and obscurely
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = Server(control, runner, limits)
    apart = other_addresses(limits["hash_seed"])
    gc.set_threshold(20_000)
    gc.collect()
    gc.freeze()  # keeps the collector of a child from touching, and so copying, shared pages
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    server.serve()
    del apart

"""A fork server: loads modules once and forks a child for each run. The parent's orders come over a socket that is this process's
stdin:

    R + a socket   fork a child that talks over that socket; a failure is reported there
    K              kill the child and all processes that it started, now
    W              the same, after it had a moment to end by itself → its wait status

End of file, or the end of the parent process, ends everything. The protocol has its own socket because stdin, stdout and stderr belong
to the program, and go to /dev/null.
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
from functools import partial

from .harden import CHANNEL, Isolation
from .run import Limits, Link, empty_module, run_program, without_chance

Runner = Callable[[Link, Limits], None]

READY, FAILED = b"!", b"?"
GRACE_SECONDS = 0.5
PR_SET_CHILD_SUBREAPER = 36
# Modules that the allowed ones import lazily; a child cannot open files to load them.
PRELOAD = ("unicodedata", "encodings.ascii", "encodings.latin_1", "copy", "weakref", "numbers", "operator", "linecache")


def run_child(server: int, isolation: Isolation, runner: Runner, limits: Limits) -> None:
    """Isolate this process, run the program, answer. Ends the process without unwinding the server's state."""
    try:
        try:
            isolation.apply(server)
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
        self.isolation = Isolation(limits)
        self.child = 0

    def serve(self) -> None:
        """Execute orders until the parent ends. Its death closes its end of the socket, unless a process that it forked holds a copy, so
        its pid is watched too. (PR_SET_PDEATHSIG would not do: it fires when the *thread* that started this process ends.)"""
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
            if parent in ready or not self.execute_order():
                break
        self.end(0.0)

    def execute_order(self) -> bool:
        order, ancillary, _, _ = self.control.recvmsg(1, socket.CMSG_SPACE(4))
        if order == b"R":
            self.end(0.0)
            self.fork(*struct.unpack("i", ancillary[0][2]))
        elif order == b"K":
            self.end(0.0)
        elif order == b"W":
            self.control.sendall(struct.pack("<i", self.end(GRACE_SECONDS)))
        return bool(order)

    def fork(self, channel: int) -> None:
        server = os.getpid()
        try:
            self.child = os.fork()
        except OSError as error:
            os.write(channel, FAILED + f"fork: {error.strerror}".encode())
        if self.child == 0:
            os.dup2(channel, CHANNEL)
            run_child(server, self.isolation, self.runner, self.limits)
        os.close(channel)

    def end(self, grace: float) -> int:
        """Kill the child with its group, then all its orphans; returns its wait status. Only then can its pid be used again."""
        if not self.child:
            return 0
        child, self.child, status = self.child, 0, 0
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        for send in (os.killpg, os.kill):  # the group may not exist yet
            with contextlib.suppress(OSError):
                send(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        self.reap()
        return status

    def reap(self) -> None:
        """Kill the child's orphans, which are this process's children now (it is their subreaper)."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                with open(f"/proc/self/task/{os.getpid()}/children") as file:
                    orphans = [int(pid) for pid in file.read().split()]
                for orphan in orphans:
                    os.kill(orphan, signal.SIGKILL)
                time.sleep(0.001)


def other_addresses(seed: int) -> list[object]:
    """Give servers with different seeds different memory addresses while the result is kept: it occupies the next blocks of all sizes."""
    sizes = (*range(1, 513), *range(513, 8192, 16))
    return [*(object() for _ in range(seed * 1000)), *(bytes(size) for size in sizes for _ in range(seed))]


def plain_runner(limits: Limits) -> Runner:
    """The runner of tiers without an interpreter of their own."""
    return partial(run_program, module=empty_module(limits["modules"]))


def main(begin: Callable[[Limits], Runner] = plain_runner) -> None:
    """Run the server. ``begin`` prepares it and returns the function with which children run a program; it may change the limits."""
    limits = json.loads(sys.argv[2])
    control = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR)
    os.environ.clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.register_at_fork = lambda **_: None  # else ``random`` would reseed itself in every child
    for module in (*limits["modules"], *PRELOAD):
        importlib.import_module(module)
    without_chance()
    runner = begin(limits)
    warnings.simplefilter("ignore")  # showing one would read files
    sys.path.clear()
    sys.meta_path[:] = sys.meta_path[:2]  # built-in and frozen: searching files could only fail, with an obscure error
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = Server(control, runner, limits)
    apart = other_addresses(limits["hash_seed"])
    gc.set_threshold(20_000)
    gc.collect()
    gc.freeze()  # keeps the garbage collector of a child from touching, and so copying, shared pages
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    server.serve()
    del apart

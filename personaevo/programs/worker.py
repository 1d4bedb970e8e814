"""The sandbox's child side: a fork server, and the children that run programs.

Started by path in an interpreter of its own, so it imports the standard library only. Modules are loaded once, here;
each run is one forked child. The parent's orders come over a socket that is this process's stdin:

    R + a socket   fork a child that talks over that socket     → errno of the fork, 0 if it went well
    K              kill the child and all it started, now       → its wait status
    W              the same, after it had a moment to end itself → its wait status

End of file, or the end of the parent process, ends everything. The child reads one request and answers in frames
(length, token of the run, kind, JSON), first the AXES and then one per call. The protocol has its own socket because
stdin, stdout and stderr are the program's, and go nowhere.
"""

from __future__ import annotations

import array
import builtins
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import resource
import select
import signal
import socket
import struct
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

Limits = dict[str, Any]

CHANNEL = 3
READY = b"!"
PATIENCE = 0.5
MESSAGE = 300
DEEPEST = 20
NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
# Needed by the standard library behind the allowed modules; a child cannot open files to load them when asked.
PRELOAD = ("unicodedata", "encodings.ascii", "encodings.latin_1", "copy", "weakref", "numbers", "operator", "linecache")


def harden(limits: Limits) -> None:
    """Everything that walls the child off from the machine; the one place where a stronger tier adds to it."""
    prctl = ctypes.CDLL(None).prctl
    if os.geteuid() == 0:
        # The limit on processes does not bind root. Without the right to change user, root stays: self_test shows it.
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    cpu, memory = limits["cpu_seconds"], limits["memory_bytes"]
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),  # no new process or thread
        (resource.RLIMIT_NOFILE, CHANNEL + 1, CHANNEL + 1),  # no new file or socket
    ):
        most = resource.getrlimit(kind)[1]  # the host may run under limits of its own
        free = most == resource.RLIM_INFINITY
        resource.setrlimit(kind, (soft, hard) if free else (min(soft, most), min(hard, most)))
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it


# --- the child ---------------------------------------------------------------------------------------------------


class Answers:
    """Frames to the parent."""

    def __init__(self, token: str) -> None:
        self.token = token.encode()

    def send(self, kind: bytes, body: str) -> None:
        data = self.token + kind + body.encode()
        view = memoryview(struct.pack(">I", len(data)) + data)
        while view:
            view = view[os.write(CHANNEL, view) :]


def run_child(server: int, limits: Limits) -> None:
    """Read the request, run the program, answer. Ends the process; nothing of the server's state is unwound."""
    try:
        os.setsid()
        harden(limits)
        if os.getppid() != server:  # it died before its death could be signaled to us
            os._exit(1)
        os.write(CHANNEL, READY)
        request = json.loads(read_frame())
        run_program(request, limits, Answers(request["token"]))
    finally:
        os._exit(0)


def read_frame() -> bytes:
    return read_exactly(struct.unpack(">I", read_exactly(4))[0])


def read_exactly(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(CHANNEL, min(size - len(data), 1 << 20))
        if not part:
            os._exit(1)
        data += part
    return bytes(data)


def run_program(request: dict[str, Any], limits: Limits, answers: Answers) -> None:
    try:
        module = load(request["source"], limits["modules"])
        axes = plain(module.AXES, "AXES", limits)
    except BaseException as error:  # noqa: BLE001 - whatever the program raises, SystemExit included, is its result
        answers.send(b"F", json.dumps(describe(error, limits)))
        return
    answers.send(b"A", axes)
    for task, n, seed in request["calls"]:
        try:
            body = plain(call(module, task, n, seed), "generate's result", limits)
        except BaseException as error:  # noqa: BLE001 - as above; the other calls still count
            answers.send(b"E", json.dumps(describe(error, limits)))
        else:
            answers.send(b"R", body)


def load(source: str, allowed: list[str]) -> types.ModuleType:
    """The program as a module. It is known to ``sys.modules``, where dataclasses and enums look for theirs."""
    module = sys.modules["program"] = types.ModuleType("program")
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": importer(frozenset(allowed))}
    try:
        code = compile(source, "<program>", "exec", dont_inherit=True)
    except (MemoryError, RecursionError):  # how the parser says it
        raise RefusedError("the program is nested too deeply; use loops or tables") from None
    exec(code, module.__dict__)
    if not hasattr(module, "AXES"):
        raise RefusedError("the program defines no AXES")
    if not callable(getattr(module, "generate", None)):
        raise RefusedError("the program defines no function generate(task, n, rng, model)")
    return module


def importer(allowed: frozenset[str]) -> Callable[..., object]:
    """The program's ``import``: a clear and repeatable answer to what it may not have. Not a wall."""

    def limited_import(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> object:
        if level or name.split(".", maxsplit=1)[0] not in allowed:
            listed = ", ".join(sorted(allowed - {"__future__"}))
            raise ImportError(f"import of {name or 'a relative module'} is refused; importable are {listed}")
        return __import__(name, globals, locals, fromlist, level)

    return limited_import


def call(module: types.ModuleType, task: dict[str, Any], n: int, seed: int) -> object:
    random.seed(seed)  # the module's functions share one generator, which an earlier call has advanced
    return module.generate(task, n, random.Random(seed), None)


class RefusedError(Exception):
    """A result that breaks the contract; the text says it all."""


def plain(value: object, what: str, limits: Limits) -> str:
    """``value`` as JSON text, keys sorted so that equal results have equal texts."""
    if not isinstance(value, (list, tuple)):
        raise RefusedError(f"{what}: expected a list, got a value of type {type(value).__name__}")
    large = f"output limit of {limits['output_mb']:g} MB: {what} is larger as JSON"
    if survey(value, what, (), limits["output_bytes"]) < 0:  # before it is written: that takes the memory several times
        raise RefusedError(large)
    try:
        text = json.dumps(value, allow_nan=False, sort_keys=True)
    except ValueError as error:  # e.g. an integer of too many digits
        raise RefusedError(f"{what} is not plain JSON: {error}") from None
    if len(text) > limits["output_bytes"]:
        raise RefusedError(large)
    return text


def survey(value: object, what: str, path: tuple[object, ...], left: int) -> int:
    """What is left of an allowance of ``left`` characters, negative as soon as it is used up; RefusedError at the first
    part that JSON cannot say."""
    left -= 2
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, str):
        left -= len(value)
    elif isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif not (value is None or isinstance(value, (int, float))):
        raise RefusedError(f"{what} is not plain JSON: {spell(path)} is of type {type(value).__name__}")
    elif isinstance(value, float) and value - value != 0:
        raise RefusedError(f"{what} is not plain JSON: {spell(path)} is {value}")
    if len(path) > DEEPEST:
        raise RefusedError(f"{what} is not plain JSON: it is nested too deeply")
    for key, part in parts:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise RefusedError(
                    f"{what} is not plain JSON: {spell(path)} has a key of type {type(key).__name__}, not text"
                )
            left -= len(key)
        left = survey(part, what, (*path, key), left)
        if left < 0:
            break
    return left


def spell(path: tuple[object, ...]) -> str:
    return "".join(f"[{key!r:.40}]" for key in path)


def describe(error: BaseException, limits: Limits) -> str:
    """An exception of the program as one line, with the program's line where there is one."""
    if isinstance(error, MemoryError):
        return f"memory limit of {limits['memory_mb']:g} MB"
    if isinstance(error, RefusedError):
        return str(error)[:MESSAGE]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error).strip().partition("\n")[0][:MESSAGE]
    except BaseException:  # noqa: BLE001 - __str__ is the program's code too
        text = "(its text cannot be had)"
    place = f", line {line} of the program" if line else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


# --- the server --------------------------------------------------------------------------------------------------


class Server:
    """Forks one child at a time."""

    def __init__(self, control: socket.socket, limits: Limits) -> None:
        self.control = control
        self.limits = limits
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
            fds = array.array("i")
            for _, _, data in ancillary:
                fds.frombytes(data[:4])
            self.control.sendall(struct.pack("<i", self.fork(fds[0])))
        elif order in (b"K", b"W"):
            self.control.sendall(struct.pack("<i", self.end(PATIENCE if order == b"W" else 0.0)))
        return bool(order)

    def fork(self, channel: int) -> int:
        server = os.getpid()
        try:
            self.child = os.fork()
        except OSError as error:
            os.close(channel)
            return error.errno or -1
        if self.child == 0:
            os.dup2(channel, CHANNEL)
            os.closerange(CHANNEL + 1, 64)
            run_child(server, self.limits)
        os.close(channel)
        return 0

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


def main() -> None:
    limits = json.loads(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR)
    os.environ.clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for module in (*limits["modules"], *PRELOAD):
        importlib.import_module(module)
    warnings.simplefilter("ignore")  # showing one would read files
    sys.path.clear()
    sys.meta_path[:] = sys.meta_path[:2]  # built-in and frozen: a search for files could only fail, and obscurely
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()  # keeps the collector of a child from touching, and so copying, shared pages
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    Server(control, limits).serve()


if __name__ == "__main__":
    main()

"""Running persona programs away from the host: the parent's side.

A program runs in a child process of a fork server, under limits (``worker.harden``), and only JSON comes back. It runs
twice, the second time in another server with another hash seed, other addresses and the calls in reversed order; a
program that does not give the same personas both times failed, because nothing measured of it would hold again. Both
hash seeds are fixed (0, whose results count, and 1), so the verdict and the personas are the same on every machine with
the same Python.
"""

from __future__ import annotations

import json
import math
import re
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from personaevo.errors import ProgramError
from personaevo.programs import personas
from personaevo.programs.channel import Answer, Channel, StoppedError
from personaevo.programs.personas import DialTable
from personaevo.programs.server import Server, ServerLostError
from personaevo.programs.source import MAX_BYTES
from personaevo.records import Axis, RunResult, Task

TIER = "weak"
_HASH_SEEDS = (0, 1)
_LONGEST_REASON = 500
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of ``generate``: the task as the program sees it, how many personas, and the seed of its ``rng``."""

    task: Task | Mapping[str, Any]
    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one child answered: the AXES, the calls in the order asked, and why it answered no more."""

    axes: bytes = b""
    answers: tuple[Answer, ...] = ()
    load_error: str | None = None
    stopped: str | None = None


class Sandbox:
    """Runs persona programs in separate processes; a context manager.

    ``dials`` are the dials that programs may set (default: any). Limits: ``wall_seconds`` for all calls of one
    ``run`` or ``run_many`` together, in each of the two children; ``cpu_seconds`` of processor time per child (default:
    the wall limit rounded up, plus 1); ``memory_mb`` of address space; ``output_mb`` of JSON per call.

    The servers start on entering, or with the first run. One sandbox may be used from several threads (its runs take
    turns) and after a fork (the new process starts servers of its own). It installs no signal handlers.
    """

    def __init__(
        self,
        dials: DialTable | None = None,
        *,
        wall_seconds: float = 5.0,
        cpu_seconds: int | None = None,
        memory_mb: float = 512,
        output_mb: float = 4,
    ) -> None:
        self._dials = dials or DialTable()
        self._wall = wall_seconds
        self._cpu = cpu_seconds if cpu_seconds is not None else math.ceil(wall_seconds) + 1
        self._output_mb = output_mb
        self._limits = {
            "cpu_seconds": self._cpu,
            "memory_mb": memory_mb,
            "memory_bytes": int(memory_mb * 2**20),
            "output_mb": output_mb,
            "output_bytes": int(output_mb * 1e6),
        }
        self._servers: list[Server] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        with self._lock:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the servers and everything below them. A later run starts new ones."""
        with self._lock:
            self._stop()

    def server_pids(self) -> list[int]:
        """The process ids of the running servers."""
        return [server.pid for server in self._servers if server.usable]

    def run(self, source: str, task: Task | Mapping[str, Any], n: int, seed: int, model: None = None) -> RunResult:
        """Run one call; see ``run_many``. ``model`` is reserved: programs are given None."""
        return self.run_many(source, [Call(task, n, seed)])[0]

    def run_many(self, source: str, calls: Sequence[Call]) -> list[RunResult]:
        """Run all calls of one program, and again in reversed order in another process; one result per call.

        Nothing that a program does raises here: what it did wrong is the ``reason`` of a failed result with fault
        "program". A call that raises, or returns what is not n valid personas, fails alone. When the child ends early
        (time, memory, crash) the calls not answered by then fail. When the two runs differ, or the program does not
        load, all fail. If the servers are lost twice in a row, unanswered calls fail with fault "infrastructure".
        ``seconds`` is the time of the call in the first run, 0 if it was not answered.

        Raises SandboxError if no server can be started.
        """
        if not calls:
            return []
        refused = _refuse(source)
        if refused:
            return [_failed(refused) for _ in calls]
        with self._lock:
            try:
                return self._with_restart(source, calls)
            except BaseException:  # re-raised: interrupted in the middle, the servers' replies would be out of step
                self._stop()
                raise

    def _with_restart(self, source: str, calls: Sequence[Call]) -> list[RunResult]:
        lost = ""
        for _ in range(2):
            try:
                return self._both(source, calls)
            except ServerLostError as error:
                lost = f"the sandbox's server was lost twice: {error}"
                self._stop()
        return [RunResult(ok=False, reason=lost, fault="infrastructure") for _ in calls]

    def _both(self, source: str, calls: Sequence[Call]) -> list[RunResult]:
        self._start()
        first = self._pass(0, source, calls)
        if first.load_error is not None or not first.answers:
            return [_failed(first.load_error or first.stopped or "") for _ in calls]
        # A single call is asked twice: what the program keeps between calls would show.
        order = list(reversed(range(len(first.answers)))) if len(calls) > 1 else [0, 0]
        second = self._pass(1, source, [calls[index] for index in order])
        difference = _difference(first, second, order)
        if difference:
            reason = f"not deterministic: {difference}; use only task, n and rng, and keep nothing between calls"
            return [_failed(reason) for _ in calls]
        stopped = [first.stopped if index >= len(first.answers) else None for index in range(len(calls))]
        for index in order[len(second.answers) :]:
            stopped[index] = second.stopped
        return self._results(first, calls, stopped)

    def _results(self, first: _Pass, calls: Sequence[Call], stopped: Sequence[str | None]) -> list[RunResult]:
        try:
            axes = personas.axes(_decode(first.axes, "AXES"), self._dials)
        except ProgramError as error:
            return [_failed(str(error)) for _ in calls]
        results = []
        for index, (call, reason) in enumerate(zip(calls, stopped, strict=True)):
            results.append(_failed(reason) if reason else self._result(first.answers[index], call, axes))
        return results

    def _result(self, answer: Answer, call: Call, axes: Sequence[Axis]) -> RunResult:
        if answer.kind == b"E":
            return _failed(_text(answer.body), answer.seconds)
        try:
            made = personas.build(_decode(answer.body, "generate's result"), call.n, axes, self._dials)
        except ProgramError as error:
            return _failed(str(error), answer.seconds)
        return RunResult(ok=True, personas=made, seconds=answer.seconds)

    def _pass(self, number: int, source: str, calls: Sequence[Call]) -> _Pass:
        """Run ``calls`` in one child of server ``number``. Raises ServerLostError."""
        server = self._servers[number]
        with Channel(server.fork(), self._wall, int(self._output_mb * 1e6)) as channel:
            try:
                channel.wait_ready()
            except StoppedError as stop:
                raise ServerLostError("its child could not be put under its limits") from stop
            answers: list[Answer] = []
            axes, load_error, stopped = b"", None, None
            try:
                channel.ask(source, [(_task(call.task), call.n, call.seed) for call in calls])
                answer = channel.answer(b"AF")
                if answer.kind == b"F":
                    load_error = _text(answer.body)
                else:
                    axes = answer.body
                    while len(answers) < len(calls):
                        answers.append(channel.answer(b"RE"))
            except StoppedError as stop:
                stopped = stop.reason
            status = server.end(patient=stopped == "")
        if stopped == "":
            stopped = self._ending(status)
        return _Pass(axes, tuple(answers), load_error, stopped)

    def _ending(self, status: int) -> str:
        """How a child ended that should have gone on."""
        killed_by = status & 0x7F
        if killed_by == signal.SIGXCPU:
            return f"processor time limit of {self._cpu} s"
        if killed_by:
            return f"ended by signal {killed_by} ({signal.strsignal(killed_by) or 'unknown'})"
        return "the program ended its own process"

    def _start(self) -> None:
        if self._servers and all(server.usable for server in self._servers):
            return
        self._stop()
        try:
            for seed in _HASH_SEEDS:  # both start at the same time
                self._servers.append(Server(self._limits, seed))
            for server in self._servers:
                server.wait_ready()
        except BaseException:  # re-raised: whatever interrupts the start must not leave one server behind
            self._stop()
            raise

    def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []


def _refuse(source: str) -> str | None:
    size = len(source.encode(errors="replace"))
    return f"the program has {size:,} bytes; at most {MAX_BYTES:,} are allowed" if size > MAX_BYTES else None


def _task(task: Task | Mapping[str, Any]) -> dict[str, Any]:
    return task.for_program() if isinstance(task, Task) else dict(task)


def _difference(first: _Pass, second: _Pass, order: Sequence[int]) -> str:
    """How the second run contradicts the first; "" if it does not."""
    if second.load_error is not None:
        return f"it loaded once and then failed with {second.load_error}"
    if second.answers and first.axes != second.axes:
        return f"AXES{_where(first.axes, second.axes)} when the program was loaded again"
    for index, again in zip(order, second.answers, strict=False):
        before = first.answers[index]
        if before.kind != again.kind:
            return f"call {index} {_came(before)} and then {_came(again)}"
        if again.kind == b"R" and before.body != again.body:
            place = _where(before.body, again.body)
            return f"call {index} gave other personas when repeated in another process (personas{place})"
    return ""


def _came(answer: Answer) -> str:
    return "succeeded" if answer.kind == b"R" else f"failed with {_text(answer.body)}"


def _where(first: bytes, second: bytes) -> str:
    """The first place where two results differ, and both values."""
    try:
        return _compare(_decode(first, ""), _decode(second, ""))
    except ProgramError:
        return " differ"


def _compare(first: Any, second: Any) -> str:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return next(
            (f"[{key!r}]{_compare(first[key], second[key])}" for key in first if first[key] != second[key]), " differ"
        )
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return next((f"[{index}]{_compare(one, two)}" for index, (one, two) in pairs if one != two), " differ")
    return f" was {json.dumps(first)[:60]} and then {json.dumps(second)[:60]}"


def _decode(body: bytes, what: str) -> Any:
    """JSON from the child, which may have been written by the program itself: nothing about it is trusted."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ProgramError(f"{what} is not plain JSON: it is nested too deeply") from error
    except ValueError as error:
        raise ProgramError(f"{what} is not plain JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it contains {name}")


def _text(body: bytes) -> str:
    """The child's own words for what went wrong, fit to be stored and compared: one line without addresses."""
    try:
        text = json.loads(body)
    except (ValueError, RecursionError):
        text = None
    if not isinstance(text, str):
        return "the program wrote to the sandbox's own channel"
    text = "".join(character if character.isprintable() else " " for character in text)
    return _ADDRESS.sub("0x…", text)[:_LONGEST_REASON]


def _failed(reason: str, seconds: float = 0.0) -> RunResult:
    return RunResult(ok=False, reason=reason, seconds=seconds, fault="program")


@dataclass(frozen=True, slots=True)
class Check:
    """One property of the sandbox, tried out on this machine."""

    name: str
    ok: bool
    detail: str


_PROBE = """
import enum
os = enum.sys.modules["os"]
AXES = []
def probe():
    {body}
def generate(task, n, rng, model=None):
    return [{{"description": str(probe())}}]
"""
_FORK = """try:
        pid = os.fork()
    except OSError as error:
        return error.strerror
    if pid == 0:
        os._exit(0)
    return "forked"
"""
# name, what the program does, and what the reason or description begins with if the sandbox holds
_PROBES = (
    ("runs honest programs", 'return "fine"', "fine"),
    ("environment is empty", "return len(os.environ), os.getcwd()", "(0, '/')"),
    ("opens no files", 'return os.open("/", 0)', "OSError: [Errno 24]"),
    ("starts no processes", _FORK, "Resource temporarily unavailable"),
    ("memory is limited", "return bytearray(2**40)", "memory limit"),
    ("time is limited", "while True: pass", "time limit"),
    ("output is limited", 'return "x" * 10**7', "output limit"),
    ("chance is noticed", "return os.urandom(8)", "not deterministic"),
)


def self_test() -> list[Check]:
    """Try the sandbox's promises on this machine, in about a second. Raises SandboxError if it cannot start at all."""
    checks = []
    with Sandbox(wall_seconds=0.5, memory_mb=256, output_mb=1) as sandbox:
        for name, body, expected in _PROBES:
            result = sandbox.run(_PROBE.format(body=body), {}, 1, 0)
            seen = result.personas[0].description if result.ok else result.reason or ""
            checks.append(Check(name, seen.startswith(expected), seen))
    return checks

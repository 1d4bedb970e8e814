"""Run persona programs in a sandbox: the parent's side.

A program runs in a child process of a fork server, isolated as its tier says (``walls.py``), and returns only JSON. It runs twice, the
second time in another server with another hash seed, other addresses and the calls in reversed order. A program that does not return the
same personas both times fails, because its measurements could not be repeated. Both hash seeds are fixed (0, whose results are used, and
1), so verdict and personas are the same on every machine with the same Python.
"""

from __future__ import annotations

import marshal
import math
import os
import platform
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType, TracebackType
from typing import Any, Self

from personaevo.chat import ChatModel
from personaevo.errors import ProgramError, SandboxError, WeakSandboxWarning
from personaevo.programs import isolation, personas, wasm
from personaevo.programs.channel import (
    DIFFERENT_QUESTION,
    Channel,
    Child,
    Frame,
    ModelAccess,
    ModelLimits,
    NotReadyError,
    StoppedError,
    read_result,
)
from personaevo.programs.isolation import NONE, OPERATIONS, SELF_TEST, Server, ServerLostError
from personaevo.programs.personas import ChildOutput, DialTable, decode, difference, text
from personaevo.programs.source import MAX_BYTES
from personaevo.records import Axis, RunResult, Task, Tier

_HASH_SEEDS = (0, 1)
_RUNS_PER_SERVER = 1000
_CODES = 64
_CPU_SECONDS = 0.1
_NO_KERNEL_TIER = (
    "this machine cannot run programs in the kernel tier; it lacks {lacks}. Two ways out: 'pip install personaevo[wasm]' and "
    "--sandbox wasm, or, if you trust the programs' authors, --sandbox weak (limits only)"
)
_WEAK = (
    "the weak sandbox only limits time, memory and output: a malicious program can reach your files and your network; "
    "use it for programs whose author you trust"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of ``generate``: the task as the program sees it, how many personas, and the seed of its ``rng``."""

    task: Task | Mapping[str, Any]
    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One program, its calls, and its access to a model."""

    source: str
    calls: Sequence[Call]
    model_access: ModelAccess | None


class Sandbox:
    """Runs persona programs in separate processes; a context manager.

    ``dials`` are the dials that programs may set (default: any). ``tier`` is "kernel" (limits, Landlock, seccomp, no clock), "wasm", or
    "weak" (limits only: for programs whose author is trusted). Limits: ``cpu_seconds`` of processor time for loading the program, and for
    each call, plus a fiftieth for each persona (default: 0.1; programs usually take a hundredth of it); a program that sleeps for twice
    as long is stopped. ``wall_seconds`` for all calls of one ``run`` or ``run_many`` together, in each of the two children, without the
    time waiting for the model; ``memory_mb`` of address space; ``output_mb`` of JSON per call; ``model_limits`` for model use.

    The servers start on entering, or with the first run, and are restarted after a fault and every thousand programs; results do not
    depend on restarts. One sandbox may be used from several threads (its runs are serialized) and after a fork (the new process starts
    its own servers). It installs no signal handlers. A machine without the tier raises SandboxError when the servers start.
    """

    def __init__(
        self,
        dials: DialTable | None = None,
        *,
        tier: Tier = "kernel",
        wall_seconds: float = 5.0,
        cpu_seconds: float | None = None,
        memory_mb: float = 512,
        output_mb: float = 4,
        model_limits: ModelLimits | None = None,
    ) -> None:
        if tier not in isolation.TIERS:
            raise SandboxError(f"sandbox: expected one of {', '.join(isolation.TIERS)}, got {tier!r}")
        self.tier = tier
        self._dials = dials or DialTable()
        self._wall = wall_seconds
        self._cpu = cpu_seconds if cpu_seconds is not None else _CPU_SECONDS
        self._child_cpu = max(math.ceil(wall_seconds) + 1, math.ceil(self._cpu))  # of all calls together, enforced by the kernel
        self._output_mb = output_mb
        self._model_limits = model_limits or ModelLimits()
        self._limits = {
            "cpu_seconds": self._child_cpu,
            "memory_mb": memory_mb,
            "memory_bytes": int(memory_mb * 2**20),
            "output_mb": output_mb,
            "output_bytes": int(output_mb * 1e6),
        }
        self._servers: list[Server] = []
        self._runs = 0
        self._code: dict[str, bytes] = {}  # compiled code of the latest programs, by source
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        with self._lock:
            try:
                self._start()
            except ServerLostError as error:
                raise SandboxError(f"the sandbox's server was lost as it started: {error}; try again") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the servers and all their child processes. A later run starts new ones."""
        with self._lock:
            self._stop()

    def server_pids(self) -> list[int]:
        """The process ids of the running servers."""
        return [server.pid for server in self._servers if server.usable]

    def run(self, source: str, task: Task | Mapping[str, Any], n: int, seed: int, model: ChatModel | None = None) -> RunResult:
        """Run one call; see ``run_many``."""
        return self.run_many(source, [Call(task, n, seed)], model)[0]

    def run_many(
        self, source: str, calls: Sequence[Call], model: ChatModel | None = None, *, code: CodeType | None = None
    ) -> list[RunResult]:
        """Run all calls of one program, and again in reversed order in another process; one result per call.

        Errors of a program do not raise here: they are the ``reason`` of a failed result with fault "program". A call that raises, or
        does not return n valid personas, fails alone. If the child ends early (time, memory, crash), the calls not answered by then
        fail. If the two runs differ, or the program does not load, all fail. If the servers are lost twice in a row, unanswered calls
        fail with fault "infrastructure". ``seconds`` is the time of the call in the first run, 0 if it was not answered.

        With a ``model``, the program can ask it in the first run with ``model.complete(prompt, system=None)``; the second run must ask
        the same and gets the same replies. ``code`` is the compiled source, if it is known: then no child compiles it.

        Raises SandboxError if no server can be started, and any exception of ``model``.
        """
        if not calls:
            return []
        size = len(source.encode(errors="replace"))
        if size > MAX_BYTES:
            return [_failed(f"rule: the program has {size:,} bytes; at most {MAX_BYTES:,} are allowed") for _ in calls]
        model_access = ModelAccess(model, self._model_limits) if model is not None else None
        with self._lock:
            if code is not None and self.tier != "wasm":  # which has another Python
                self._remember(source, marshal.dumps(code))
            try:
                return self._with_restart(_Job(source, calls, model_access))
            except BaseException:  # re-raised: after an interruption the servers' replies would be out of step
                self._stop()
                raise

    def _with_restart(self, job: _Job) -> list[RunResult]:
        lost = ""
        for _ in range(2):
            try:
                self._start()
                return self._run_twice(job)
            except ServerLostError as error:
                lost = f"the sandbox's server was lost twice: {error}"
                self._stop()
        return [RunResult(ok=False, reason=lost, fault="infrastructure") for _ in job.calls]

    def _run_twice(self, job: _Job) -> list[RunResult]:
        self._runs += 1
        calls = job.calls
        first = self._pass(0, job, range(len(calls)), self._code.get(job.source, b""))
        if first.load_error is not None or not first.calls:
            return [_failed(first.load_error or first.stopped or "") for _ in calls]
        self._remember(job.source, first.code)
        # Each call gets another position and comes before those that it came after, so that state kept between calls shows. The middle
        # one of an odd number has the same position in both orders, so it is made once more, first.
        count = len(first.calls)
        order = [*([count // 2] if count % 2 else []), *reversed(range(count))]
        second = self._pass(1, job, order, first.code)
        differs = difference(first, second, order) or (DIFFERENT_QUESTION if second.stopped == DIFFERENT_QUESTION else "")
        if differs:
            reason = f"not deterministic: {differs}; use only task, n and rng, and keep nothing between calls"
            return [_failed(reason) for _ in calls]
        stopped = [first.stopped if index >= len(first.calls) else None for index in range(len(calls))]
        for index in order[len(second.calls) :]:
            stopped[index] = second.stopped
        return self._results(first, calls, stopped)

    def _remember(self, source: str, code: bytes) -> None:
        self._code.pop(source, None)
        self._code[source] = code
        if len(self._code) > _CODES:
            del self._code[next(iter(self._code))]

    def _results(self, first: ChildOutput, calls: Sequence[Call], stopped: Sequence[str | None]) -> list[RunResult]:
        try:
            axes = personas.axes(decode(first.axes, "AXES"), self._dials)
        except ProgramError as error:
            return [_failed(str(error)) for _ in calls]
        results = []
        for index, (call, reason) in enumerate(zip(calls, stopped, strict=True)):
            results.append(_failed(reason) if reason else self._checked_result(first.calls[index], call, axes))
        return results

    def _checked_result(self, answer: Frame, call: Call, axes: Sequence[Axis]) -> RunResult:
        if answer.kind == b"E":
            return _failed(text(answer.body), answer.seconds)
        try:
            made = personas.build(decode(answer.body, "generate's result"), call.n, axes, self._dials)
        except ProgramError as error:
            return _failed(str(error), answer.seconds)
        return RunResult(ok=True, personas=made, seconds=answer.seconds)

    def _pass(self, number: int, job: _Job, order: Sequence[int], code: bytes) -> ChildOutput:
        """Make the calls in ``order`` in a new child of server ``number``. Raises ServerLostError."""
        server = self._servers[number]
        with Channel(server.fork(), self._wall, int(self._output_mb * 1e6), self._cpu, Child(server.pid)) as channel:
            try:
                said = self._conversation(channel, number, job, order, code)
            except NotReadyError as error:
                raise ServerLostError(f"its child could not isolate itself ({str(error) or 'it ended'})") from error
            if said.stopped == "":
                return replace(said, stopped=self._explained(server.ending()))
            server.end()
        return said

    def _conversation(self, channel: Channel, number: int, job: _Job, order: Sequence[int], code: bytes) -> ChildOutput:
        """Send the program and its calls to one child, and read its output until it has answered every call or stops."""
        made: list[Frame] = []
        axes = b""
        ask = (job.model_access.ask, job.model_access.again)[number] if job.model_access else None
        try:
            channel.ask({"source": job.source, "model": ask is not None}, code)
            answer = channel.answer(b"AF" if code else b"CF")
            if answer.kind == b"C":
                code, answer = answer.body, channel.answer(b"AF")
            if answer.kind == b"F":
                return ChildOutput(load_error=text(answer.body))
            axes = answer.body
            for index in order:
                call = job.calls[index]
                channel.call(call.task.for_program() if isinstance(call.task, Task) else dict(call.task), call.n, call.seed)
                made.append(read_result(channel, ask, index))
        except StoppedError as stop:
            return ChildOutput(code, axes, tuple(made), stopped=stop.reason)
        return ChildOutput(code, axes, tuple(made))

    def _explained(self, status: int) -> str:
        """Why a child ended early, from its wait status."""
        killed_by = status & 0x7F
        if killed_by == signal.SIGXCPU:
            return f"processor time limit of {self._child_cpu} s"
        if killed_by:
            return f"crash: ended by signal {killed_by} ({signal.strsignal(killed_by) or 'unknown'})"
        known = wasm.ENDINGS if self.tier == "wasm" else {}
        return known.get(os.waitstatus_to_exitcode(status), "crash: the program ended its own process")

    def _start(self) -> None:
        if self._runs < _RUNS_PER_SERVER and self._servers and all(server.usable for server in self._servers):
            return
        self._stop()
        lacks = isolation.missing() if self.tier == "kernel" else []
        if lacks:
            raise SandboxError(_NO_KERNEL_TIER.format(lacks="; ".join(lacks)))
        settings = {**self._limits, **isolation.plan(self.tier), **(wasm.plan() if self.tier == "wasm" else {})}
        try:
            for seed in _HASH_SEEDS:  # both start at the same time
                self._servers.append(Server(settings, seed))
            for server in self._servers:
                server.wait_ready()
            self._probe()
        except BaseException:  # re-raised: an interrupted start must not leave one server behind
            self._stop()
            raise

    def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers, self._runs = [], 0

    def _probe(self) -> None:
        """Run the self-test program in the kernel tier. Raises SandboxError if any forbidden operation was not refused."""
        if set(isolation.TIERS[self.tier]) != set(isolation.ALL):
            return
        try:
            result = self._run_twice(_Job(isolation.SELF_TEST, [Call({}, 1, 0)], None))[0]
        except ServerLostError as error:
            if isinstance(error.__cause__, NotReadyError) and str(error.__cause__):
                raise SandboxError(_NO_KERNEL_TIER.format(lacks=f"working isolation: {error.__cause__}")) from error
            raise
        if not result.ok or result.made[0].description != isolation.NONE:
            broken = result.made[0].description if result.ok else result.reason
            raise SandboxError(_NO_KERNEL_TIER.format(lacks=f"effective isolation: a program {broken}"))


def require(tier: Tier) -> None:
    """Start a tier once on this machine. Raises SandboxError if it is not available; "weak" warns every time."""
    warn_if_weak(tier)
    with Sandbox(tier=tier):
        pass


def warn_if_weak(tier: Tier) -> None:
    """Issue a WeakSandboxWarning for the weak tier."""
    if tier == "weak":
        warnings.warn(_WEAK, WeakSandboxWarning, stacklevel=3)


def _failed(reason: str, seconds: float = 0.0) -> RunResult:
    return RunResult(ok=False, reason=reason, seconds=seconds, fault="program")


@dataclass(frozen=True, slots=True)
class Check:
    """The test of one property of the sandbox on this machine."""

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
# name, code of the program, and what the reason or description begins with if the test passes
_PROBES = (
    ("runs honest programs", 'return "fine"', "fine"),
    ("environment is empty", "return len(os.environ)", "0"),
    ("memory is limited", "return bytearray(2**30)", "memory limit"),
    ("time is limited", "while True: pass", "processor time limit"),
    ("output is limited", 'return "x" * 10**7', "output limit"),
    ("chance is noticed", "return id(object())", "not deterministic"),
)
_KERNEL_PROBES = (
    ("sleep is limited", 'for lock in (enum.sys.modules["_thread"].allocate_lock(),) * 2: lock.acquire()', "sleep limit"),
    ("clocks stand still", 'return enum.sys.modules["time"].clock_gettime(5)', "0.0"),
)


def self_test(tier: Tier = "kernel") -> list[Check]:
    """Test the guarantees of a tier on this machine, in about two seconds; requirements that the machine lacks come first."""
    checks = list(_requirements()) if tier == "kernel" else []
    if not all(check.ok for check in checks):
        return checks
    try:
        with Sandbox(tier=tier, wall_seconds=5.0, memory_mb=256, output_mb=1) as sandbox:
            checks += _refused_operations(sandbox) if tier == "kernel" else []
            checks += _probed(sandbox, (*_PROBES, *_KERNEL_PROBES) if tier == "kernel" else _PROBES)
    except SandboxError as error:
        checks.append(Check("starts", False, str(error)))
    return checks


def _requirements() -> Iterator[Check]:
    lacks = isolation.missing()
    if lacks:
        yield from (Check(lack.partition(" (")[0], False, f"missing: {lack}") for lack in lacks)
        return
    yield Check("Landlock", True, f"version {isolation.landlock_abi()}")
    yield Check("seccomp", True, f"filter for {platform.machine()}")


def _refused_operations(sandbox: Sandbox) -> Iterator[Check]:
    result = sandbox.run(SELF_TEST, {}, 1, 0)
    done = result.made[0].description if result.ok else result.reason or ""
    for name in OPERATIONS:
        held = result.ok and (done == NONE or name not in done.split(", "))
        yield Check(f"no program {name}", held, "not permitted" if held else done)


def _probed(sandbox: Sandbox, probes: Iterable[tuple[str, str, str]]) -> Iterator[Check]:
    for name, body, expected in probes:
        result = sandbox.run(_PROBE.format(body=body), {}, 1, 0)
        seen = result.made[0].description if result.ok else result.reason or ""
        yield Check(name, seen.startswith(expected), seen)

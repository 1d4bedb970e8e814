"""Running persona programs away from the host: the parent's side.

A program runs in a child process of a fork server, behind the walls of its tier (``walls.py``), and only JSON comes back. It runs twice,
the second time in another server with another hash seed, other addresses and the calls in reversed order; a program that does not give
the same personas both times failed, because nothing measured of it would hold again. Both hash seeds are fixed (0, whose results count,
and 1), so the verdict and the personas are the same on every machine with the same Python.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from personaevo.errors import ProgramError, SandboxError, WeakSandboxWarning
from personaevo.programs import attempts, personas, walls, wasm
from personaevo.programs.answers import Answers, decode, difference, text
from personaevo.programs.capability import Ask, Capability, ModelLimits, OtherQuestionError
from personaevo.programs.channel import SPOOFED, Answer, Channel, NotReadyError, StoppedError
from personaevo.programs.personas import DialTable
from personaevo.programs.server import Server, ServerLostError
from personaevo.programs.source import MAX_BYTES
from personaevo.programs.usage import Child
from personaevo.records import Axis, ChatModel, RunResult, Task, Tier

_HASH_SEEDS = (0, 1)
_RUNS_PER_SERVER = 1000
_CODES = 64
_CPU_SECONDS = 0.1
_NO_KERNEL_TIER = (
    "this machine cannot run programs in the kernel tier; it lacks {lacks}. Two ways out: 'pip install personaevo[wasm]' and "
    "--sandbox wasm, or, if you trust whoever writes the programs, --sandbox weak (limits only)"
)
_WEAK = (
    "the weak sandbox only limits time, memory and output: a program that means harm can reach your files and your network; "
    "use it for programs whose author you trust"
)
_OTHER_QUESTION = "it asked the model something else when repeated"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of ``generate``: the task as the program sees it, how many personas, and the seed of its ``rng``."""

    task: Task | Mapping[str, Any]
    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Work:
    """One program, what it is asked, and the model that it may ask."""

    source: str
    calls: Sequence[Call]
    capability: Capability | None


class Sandbox:
    """Runs persona programs in separate processes; a context manager.

    ``dials`` are the dials that programs may set (default: any). ``tier`` is "kernel" (limits, Landlock, seccomp, no clock), "wasm", or
    "weak" (limits only: for programs whose author is trusted). Limits: ``cpu_seconds`` of processor time for loading the program, and for
    each call, with a fiftieth more for each persona (default: 0.1; what programs take is a hundredth); who sleeps for twice as long is
    stuck. ``wall_seconds`` for all calls of one ``run`` or ``run_many`` together, in each of the two children, waiting for the model not
    counted; ``memory_mb`` of address space; ``output_mb`` of JSON per call; ``model_limits`` for what a program asks a model.

    The servers start on entering, or with the first run, and again after a fault and every thousand programs; results do not depend on
    it. One sandbox may be used from several threads (its runs take turns) and after a fork (the new process starts servers of its
    own). It installs no signal handlers. A machine without the tier raises SandboxError when the servers start.
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
        if tier not in walls.TIERS:
            raise SandboxError(f"sandbox: expected one of {', '.join(walls.TIERS)}, got {tier!r}")
        self.tier = tier
        self._dials = dials or DialTable()
        self._wall = wall_seconds
        self._cpu = cpu_seconds if cpu_seconds is not None else _CPU_SECONDS
        self._child_cpu = max(math.ceil(wall_seconds) + 1, math.ceil(self._cpu))  # of all calls: should nobody look
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
        self._code: dict[str, bytes] = {}  # of the latest programs: what is run again need not be compiled again
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
        """End the servers and everything below them. A later run starts new ones."""
        with self._lock:
            self._stop()

    def server_pids(self) -> list[int]:
        """The process ids of the running servers."""
        return [server.pid for server in self._servers if server.usable]

    def run(self, source: str, task: Task | Mapping[str, Any], n: int, seed: int, model: ChatModel | None = None) -> RunResult:
        """Run one call; see ``run_many``."""
        return self.run_many(source, [Call(task, n, seed)], model)[0]

    def run_many(self, source: str, calls: Sequence[Call], model: ChatModel | None = None) -> list[RunResult]:
        """Run all calls of one program, and again in reversed order in another process; one result per call.

        Nothing that a program does raises here: what it did wrong is the ``reason`` of a failed result with fault
        "program". A call that raises, or returns what is not n valid personas, fails alone. When the child ends early
        (time, memory, crash) the calls not answered by then fail. When the two runs differ, or the program does not
        load, all fail. If the servers are lost twice in a row, unanswered calls fail with fault "infrastructure".
        ``seconds`` is the time of the call in the first run, 0 if it was not answered.

        With a ``model``, the program's ``model.complete(prompt, system=None)`` asks it, in the first run; the second one must ask the
        same and is given the same replies.

        Raises SandboxError if no server can be started, and whatever ``model`` raises.
        """
        if not calls:
            return []
        refused = _refuse(source)
        if refused:
            return [_failed(refused) for _ in calls]
        capability = Capability(model, self._model_limits) if model is not None else None
        with self._lock:
            try:
                return self._with_restart(_Work(source, calls, capability))
            except BaseException:  # re-raised: interrupted in the middle, the servers' replies would be out of step
                self._stop()
                raise

    def _with_restart(self, work: _Work) -> list[RunResult]:
        lost = ""
        for _ in range(2):
            try:
                self._start()
                return self._both(work)
            except ServerLostError as error:
                lost = f"the sandbox's server was lost twice: {error}"
                self._stop()
        return [RunResult(ok=False, reason=lost, fault="infrastructure") for _ in work.calls]

    def _both(self, work: _Work) -> list[RunResult]:
        self._runs += 1
        calls = work.calls
        first = self._pass(0, work, range(len(calls)), self._code.get(work.source, b""))
        if first.load_error is not None or not first.calls:
            return [_failed(first.load_error or first.stopped or "") for _ in calls]
        self._remember(work.source, first.code)
        order = _other_order(len(first.calls))
        second = self._pass(1, work, order, first.code)
        differs = difference(first, second, order) or (_OTHER_QUESTION if second.stopped == _OTHER_QUESTION else "")
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

    def _results(self, first: Answers, calls: Sequence[Call], stopped: Sequence[str | None]) -> list[RunResult]:
        try:
            axes = personas.axes(decode(first.axes, "AXES"), self._dials)
        except ProgramError as error:
            return [_failed(str(error)) for _ in calls]
        results = []
        for index, (call, reason) in enumerate(zip(calls, stopped, strict=True)):
            results.append(_failed(reason) if reason else self._result(first.calls[index], call, axes))
        return results

    def _result(self, answer: Answer, call: Call, axes: Sequence[Axis]) -> RunResult:
        if answer.kind == b"E":
            return _failed(text(answer.body), answer.seconds)
        try:
            made = personas.build(decode(answer.body, "generate's result"), call.n, axes, self._dials)
        except ProgramError as error:
            return _failed(str(error), answer.seconds)
        return RunResult(ok=True, personas=made, seconds=answer.seconds)

    def _pass(self, number: int, work: _Work, order: Sequence[int], code: bytes) -> Answers:
        """Make the calls in ``order`` in one child of server ``number``. Raises ServerLostError."""
        server = self._servers[number]
        with Channel(server.fork(), self._wall, int(self._output_mb * 1e6), self._cpu, Child(server.pid)) as channel:
            try:
                said = self._conversation(channel, number, work, order, code)
            except NotReadyError as error:
                raise ServerLostError(f"its child could not put up its walls ({str(error) or 'it ended'})") from error
            if said.stopped == "":
                return replace(said, stopped=self._explained(server.ending()))
            server.end()
        return said

    def _conversation(self, channel: Channel, number: int, work: _Work, order: Sequence[int], code: bytes) -> Answers:
        """All that one child says until it has answered every call, or stops."""
        made: list[Answer] = []
        axes = b""
        ask = (work.capability.ask, work.capability.again)[number] if work.capability else None
        try:
            channel.ask({"source": work.source, "model": ask is not None}, code)
            answer = channel.answer(b"AF" if code else b"CF")
            if answer.kind == b"C":
                code, answer = answer.body, channel.answer(b"AF")
            if answer.kind == b"F":
                return Answers(load_error=text(answer.body))
            axes = answer.body
            for index in order:
                call = work.calls[index]
                channel.call(_task(call.task), call.n, call.seed)
                made.append(_called(channel, ask, index))
        except StoppedError as stop:
            return Answers(code, axes, tuple(made), stopped=stop.reason)
        return Answers(code, axes, tuple(made))

    def _explained(self, status: int) -> str:
        """How a child ended that should have gone on."""
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
        self._require()
        settings = {**self._limits, **walls.plan(self.tier), **(wasm.plan() if self.tier == "wasm" else {})}
        try:
            for seed in _HASH_SEEDS:  # both start at the same time
                self._servers.append(Server(settings, seed))
            for server in self._servers:
                server.wait_ready()
            self._probe()
        except BaseException:  # re-raised: whatever interrupts the start must not leave one server behind
            self._stop()
            raise

    def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers, self._runs = [], 0

    def _require(self) -> None:
        lacks = walls.missing() if self.tier == "kernel" else []
        if lacks:
            raise SandboxError(_NO_KERNEL_TIER.format(lacks="; ".join(lacks)))

    def _probe(self) -> None:
        """The kernel tier is tried out before it is relied on: a program attempts what none may do."""
        if set(walls.TIERS[self.tier]) != set(walls.ALL):
            return
        try:
            result = self._both(_Work(attempts.ATTEMPTS, [Call({}, 1, 0)], None))[0]
        except ServerLostError as error:
            if isinstance(error.__cause__, NotReadyError) and str(error.__cause__):
                raise SandboxError(_NO_KERNEL_TIER.format(lacks=f"walls that stand: {error.__cause__}")) from error
            raise
        if not result.ok or result.made[0].description != attempts.NONE:
            broken = result.made[0].description if result.ok else result.reason
            raise SandboxError(_NO_KERNEL_TIER.format(lacks=f"walls that hold: a program {broken}"))


def require(tier: Tier) -> None:
    """Try a tier on this machine. Raises SandboxError if it cannot be had; "weak" warns every time."""
    warn_of(tier)
    with Sandbox(tier=tier):
        pass


def warn_of(tier: Tier) -> None:
    """WeakSandboxWarning, if it is the weak tier."""
    if tier == "weak":
        warnings.warn(_WEAK, WeakSandboxWarning, stacklevel=3)


def _other_order(count: int) -> list[int]:
    """Calls in an order in which each has another place, and each comes before those that it came after: what a program keeps from one
    call to the next would show. The middle one of an odd number has its place in both orders, so it is made once more, first."""
    order = list(reversed(range(count)))
    return [count // 2, *order] if count % 2 else order


def _called(channel: Channel, ask: Ask | None, index: int) -> Answer:
    """The answer to one call; the program's questions to the model on the way are answered."""
    seconds, place = 0.0, 0
    while True:
        answer = channel.answer(b"REM" if ask else b"RE")
        seconds += answer.seconds
        try:
            reply, waited = ask(index, place, _question(answer)) if ask else ({}, 0.0)
        except OtherQuestionError:
            raise StoppedError(_OTHER_QUESTION) from None
        if answer.kind != b"M":
            return replace(answer, seconds=seconds)
        channel.reply(reply, waited)
        place += 1


def _question(answer: Answer) -> tuple[str, str | None] | None:
    if answer.kind != b"M":
        return None
    try:
        prompt, system = decode(answer.body, "the question")
    except (ProgramError, ValueError, TypeError):
        raise StoppedError(SPOOFED) from None
    if not isinstance(prompt, str) or not isinstance(system, str | None):
        raise StoppedError(SPOOFED)
    return prompt, system


def _refuse(source: str) -> str | None:
    size = len(source.encode(errors="replace"))
    return f"rule: the program has {size:,} bytes; at most {MAX_BYTES:,} are allowed" if size > MAX_BYTES else None


def _task(task: Task | Mapping[str, Any]) -> dict[str, Any]:
    return task.for_program() if isinstance(task, Task) else dict(task)


def _failed(reason: str, seconds: float = 0.0) -> RunResult:
    return RunResult(ok=False, reason=reason, seconds=seconds, fault="program")

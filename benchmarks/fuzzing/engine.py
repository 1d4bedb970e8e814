"""The fuzzer: one target, cases made by hypothesis and by mutation, and the results.

A finding is a case whose check raises (the target handles the project's own errors as values), or that takes over five seconds of
processor time. Mutation keeps inputs that reach new lines and mutates those too.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from itertools import chain
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy

CASE_SECONDS = 5.0  # of processor time
WAITING_SECONDS = 60.0
SHRINKING = 300


@dataclass(frozen=True)
class Target:
    """A fuzzing target.

    ``attempt`` takes any bytes, mutated from ``corpus`` with ``words`` inserted; ``check`` takes values from ``cases``. Both raise if
    something is wrong. The lines of ``modules`` are counted and guide the mutation. A mutated input has at most ``longest`` bytes.
    """

    modules: Sequence[ModuleType]
    corpus: Sequence[bytes]
    words: Sequence[bytes]
    attempt: Callable[[bytes], object]
    cases: SearchStrategy[Any]
    check: Callable[[Any], object]
    longest: int = 80_000


@dataclass(frozen=True)
class Finding:
    """A failing case, reduced, and its failure."""

    case: object
    trace: str


class HangError(BaseException):
    """A case takes too long. Not an ``Exception``, so that the code under test does not catch it."""


class Lines:
    """The lines inside functions of some modules, and those that ran while this context was active."""

    def __init__(self, modules: Sequence[ModuleType]) -> None:
        files = [str(module.__file__) for module in modules]
        self.all = {place for file in files for place in _places(compile(Path(file).read_text(encoding="utf-8"), file, "exec"))}
        self.seen: set[tuple[str, int]] = set()
        self._files = frozenset(files)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Disables garbage collection: hypothesis has a callback there, and CPython 3.11 crashes if that is traced at the recursion
        limit."""
        before = sys.gettrace()
        gc.disable()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)
            gc.enable()

    def _called(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        return self._ran if frame.f_code.co_filename in self._files else None

    def _ran(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._ran


class Fuzzer:
    """The fuzzing of one target. Equal seeds and calls make equal cases."""

    def __init__(self, target: Target, seed: int, note: Callable[[object], None] = lambda case: None) -> None:
        self.target, self.seed = target, seed
        self.lines = Lines(target.modules)
        self.cases = 0
        self.findings: dict[str, Finding] = {}
        self._note = note  # called with every case before it is tried, in case it ends the process
        self._rng = random.Random(seed)
        self._corpus, self._fresh = list(target.corpus), list(target.corpus)
        self._last: object = None

    @property
    def reached(self) -> int:
        """Number of lines of ``lines.all`` that ran."""
        return len(self.lines.seen & self.lines.all)

    def structured(self, examples: int) -> None:
        """Cases made by hypothesis, which reduces failures."""
        self.seed += 1

        @seeded(self.seed)
        @settings(
            max_examples=examples, deadline=None, database=None, phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        @given(self.target.cases)
        def run(case: object) -> None:
            self._try(self.target.check, case)

        try:
            run()
        except (Exception, HangError) as error:  # noqa: BLE001 - any is a finding
            self._found(error, self._last)

    def mutated(self, cases: int) -> None:
        """The corpus, once, and mutated cases; those that reach new lines are added to it."""
        fresh, self._fresh = self._fresh, []
        for case in chain(fresh, (self._mutant() for _ in range(cases))):
            before = len(self.lines.seen)
            try:
                self._try(self.target.attempt, case)
            except (Exception, HangError) as error:  # noqa: BLE001 - any is a finding
                self._found(error, self._shrunk(case, error))
            if len(self.lines.seen) > before and case not in self._corpus:
                self._corpus.append(case)

    def _try(self, check: Callable[[Any], object], case: object) -> None:
        self.cases += 1
        self._last = case
        self._note(case)
        try:
            with self.lines.watched():
                _within(check, case)
        except HangError:  # tracing is slow: measured again without it
            _within(check, case)

    def _found(self, error: BaseException, case: object) -> None:
        self.findings.setdefault(_kind(error), Finding(case, "".join(traceback.format_exception(error, limit=-6))))

    def _mutant(self) -> bytes:
        data = self._rng.choice(self._corpus)
        for _ in range(self._rng.choice((1, 1, 2, 3, 6))):
            data = self._rng.choice(_MUTATIONS)(data, self._rng, self)[: self.target.longest]
        return data

    def _shrunk(self, case: bytes, error: BaseException) -> bytes:
        """The case without the parts that the same failure does not need."""
        size, place = len(case), 0
        for _ in range(SHRINKING if not isinstance(error, HangError) else 0):
            if place >= len(case):
                size, place = size // 2, 0
            if not size:
                break
            shorter = case[:place] + case[place + size :]
            if self._fails_alike(shorter, error):
                case = shorter
            else:
                place += size
        return case

    def _fails_alike(self, case: bytes, error: BaseException) -> bool:
        try:
            self._try(self.target.attempt, case)
        except (Exception, HangError) as again:  # noqa: BLE001 - compared
            return _kind(again) == _kind(error)
        return False

    def other(self) -> bytes:
        """Another input of the corpus."""
        return self._rng.choice(self._corpus)


def shown(case: object) -> str:
    """``repr``, also for very long integers."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return repr(case)
    finally:
        sys.set_int_max_str_digits(limit)


def _flip(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + data[end:]


def _repeat(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + data[begin:end] * rng.choice((2, 2, 3, 60, 2000)) + data[end:]


def _insert(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    at, word = rng.randrange(len(data) + 1), rng.choice(fuzzer.target.words)
    return data[:at] + word * rng.choice((1, 1, 1, 1, 2, 120, 3000)) + data[at:]


def _replace(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    begin, end = _span(data, rng)
    return data[:begin] + rng.choice(fuzzer.target.words) + data[end:]


def _splice(data: bytes, rng: random.Random, fuzzer: Fuzzer) -> bytes:
    other = fuzzer.other()
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice((1, 2, 4, 16, 200)))


_MUTATIONS = (_flip, _cut, _repeat, _insert, _insert, _replace, _splice)


def _places(code: CodeType) -> Iterator[tuple[str, int]]:
    if code.co_flags & CO_OPTIMIZED:  # a function; module and class bodies ran at import
        yield from ((code.co_filename, line) for _, _, line in code.co_lines() if line and line != code.co_firstlineno)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _places(constant)


def _kind(error: BaseException) -> str:
    """Findings are distinguished by the type and the innermost place in the code under test or the target."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "personaevo" in frame.filename or "fuzzing" in frame.filename]
    last = frames[-1] if frames else None
    return f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}" if last else type(error).__name__


def _within(check: Callable[[Any], object], case: object) -> None:
    timers = ((signal.ITIMER_PROF, signal.SIGPROF, CASE_SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, WAITING_SECONDS))
    for timer, number, seconds in timers:
        signal.signal(number, _hang)
        signal.setitimer(timer, seconds, 1.0)  # repeated, as an exception inside a destructor is lost
    try:
        check(case)
    finally:
        for timer, _, _ in timers:
            signal.setitimer(timer, 0)


def _hang(number: int, frame: FrameType | None) -> None:
    raise HangError(f"more than {CASE_SECONDS:g} s of processor time, or {WAITING_SECONDS:g} s of waiting")

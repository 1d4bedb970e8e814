"""Capacity of one coordinator, measured with a simulated cluster.

    python -m benchmarks.cluster [--workers 200] [--seconds 2] [--lag 400] [--candidates 2000] [--domain service] [--json]

The search is real: it breeds, packs, scores and commits. Only the executor is simulated: each of its workers takes ``--seconds`` per
candidate and returns a recorded roll-out, pickled as on the wire; a worker without a required shared object says so. ``busy`` is the share
of the workers' time with work, from the first answer until the last candidate was submitted.

The table shows the cost of a candidate in the coordinator's main thread, in milliseconds: ``wall`` is elapsed time, ``own`` the thread's
processor time, which depends less on other load. From the wall times it estimates the needs of ``--target-workers`` and
``--target-dialogues``, and the first bottleneck: the need that is the largest multiple of what is available (one coordinator, a network
of ``--gbit``, memory and disk of ``--memory-gb`` and ``--disk-gb``). Sizes per candidate fall with ``--candidates``, as they include
objects that each worker is sent once.
"""

from __future__ import annotations

import argparse
import heapq
import json
import pickle
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.progress import Progress
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.search import search
from personaevo.executors import Answer, Lacking, Parcel
from personaevo.workers import Workers

# The coordinator's parts: owner and name of the function. Times are exclusive of nested parts.
PARTS: dict[str, tuple[Any, str]] = {
    "ask": (SearchLoop, "ask"), "pickle": (Workers, "submit"), "score": (EvaluationSetup, "score"), "commit": (SearchLoop, "tell"),
    "unpickle": (Answer, "value"),
}  # fmt: skip
PREPARED = 40  # recorded roll-outs


class _LoopEnded(Exception):  # noqa: N818 - not an error
    """The loop has ended; stops the search before the final table."""


@dataclass
class Clock:
    """Seconds of each part of the thread that uses it: elapsed, and processor time."""

    wall: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    _inner: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def run(*args: Any, **named: Any) -> Any:
            self._inner.append((0.0, 0.0))
            begun = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **named)
            finally:
                passed, used = time.perf_counter() - begun[0], time.thread_time() - begun[1]
                inside, outside = self._inner.pop(), self._inner[-1]
                self.wall[name] = self.wall.get(name, 0.0) + passed - inside[0]
                self.own[name] = self.own.get(name, 0.0) + used - inside[1]
                self._inner[-1] = outside[0] + passed, outside[1] + used

        return run


class SimulatedWorkers(Executor):
    """An executor of ``count`` simulated workers that take ``seconds`` for each task; one thread runs them all.

    Until ``sleeps`` is set, tasks run at once.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.seconds, self.sleeps = count, seconds, False
        self.answers: list[bytes] = []
        self.sent = self.back = self.done = self.lacked = 0
        self.first = self.last = 0.0  # the first answer; the last piece of work
        self._kept: list[set[str]] = [set() for _ in range(count)]
        self._free = list(range(count))
        self._waiting: deque[tuple[Parcel, Future[Any]]] = deque()
        self._ends: list[tuple[float, int, int, bool, Future[Any]]] = []
        self._changed, self._numbers, self._over = threading.Condition(), 0, False
        self._spans: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._play, daemon=True)

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        outcome: Future[Any] = Future()
        if not self.sleeps:
            outcome.set_result(function(*args, **named))
            return outcome
        data = pickle.dumps((function, args, named))
        (parcel,) = args
        with self._changed:
            self.sent += len(data)
            self.last = time.perf_counter()
            self._waiting.append((parcel, outcome))
            self._changed.notify()
        return outcome

    def start(self) -> None:
        """Start to simulate workers."""
        self.sleeps = True
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def share_busy(self) -> float:
        """Share of the workers' time with work, from the first answer to the last task."""
        spent = sum(max(0.0, min(end, self.last) - max(begin, self.first)) for begin, end in self._spans)
        return spent / max(1e-9, (self.last - self.first) * self.count)

    def _play(self) -> None:
        while True:
            with self._changed:
                if self._over:
                    return
                self._begin()
                wait = self._ends[0][0] - time.perf_counter() if self._ends else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, worker, lacks, outcome = heapq.heappop(self._ends)
                self._free.append(worker)
                self._begin()
            self._bring(worker, outcome, lacks=lacks)

    def _begin(self) -> None:
        """Assign waiting tasks to free workers."""
        while self._free and self._waiting:
            worker, (parcel, outcome) = self._free.pop(), self._waiting.popleft()
            lacks = any(data is None and digest not in self._kept[worker] for digest, data in parcel.shared.items())
            self._kept[worker].update(digest for digest, data in parcel.shared.items() if data is not None)
            now = time.perf_counter()
            end = now + (0.0 if lacks else self.seconds)
            self._spans.append((now, end))
            self._numbers += 1
            heapq.heappush(self._ends, (end, self._numbers, worker, lacks, outcome))

    def _bring(self, worker: int, outcome: Future[Any], *, lacks: bool) -> None:
        self.lacked += lacks
        if lacks:
            outcome.set_result(Lacking(str(worker)))
            return
        data = self.answers[self.done % len(self.answers)]
        self.done, self.back = self.done + 1, self.back + len(data)
        self.first = self.first or time.perf_counter()
        outcome.set_result(pickle.loads(data))


def _prepared(running: SearchLoop) -> list[bytes]:
    """Recorded roll-outs of programs bred by this search, as sent."""
    found, known = [], dict(running.state.asked)
    for number in range(1, PREPARED + 1):
        proposal, _ = running._proposal(number)
        known[proposal.program.id] = proposal.program
        work = running.setup.rollout(proposal.program.source, running.setup.train_plan, number)
        found.append(pickle.dumps(Answer(pickle.dumps(roll_out(work), 5)), 5))
    return found


@contextmanager
def _clocked(clock: Clock) -> Iterator[None]:
    with ExitStack() as stack:
        for name, (owner, attribute) in PARTS.items():
            stack.enter_context(patch.object(owner, attribute, clock.timed(name, getattr(owner, attribute))))
        yield


def _memory() -> float:
    """This process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 1e6


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one search: rates, the coordinator's milliseconds per candidate by part, bytes per candidate, growth of the archive."""
    given, clock, found = SimulatedWorkers(options.workers, options.seconds), Clock(), dict[str, Any]()

    def looping(running: SearchLoop) -> None:
        given.answers = _prepared(running)
        given.start()
        begun, used = time.perf_counter(), time.process_time()
        with _clocked(clock):
            loop(running)
        found.update(wall=time.perf_counter() - begun, used=time.process_time() - used, memory_mb=_memory() - found["half_mb"])
        found["dialogues"] = running.state.episodes
        raise _LoopEnded

    def half_way(progress: Progress) -> None:
        if progress.done == progress.planned // 2:  # earlier growth is from results in flight
            found["half_mb"] = _memory()

    loop = SearchLoop.loop
    with tempfile.TemporaryDirectory() as folder, patch.object(SearchLoop, "loop", looping), suppress(_LoopEnded):
        path = Path(folder) / "a.duckdb"
        with _grown(path, found):
            config = SearchConfig(domain=options.domain, archive=path, candidates=options.candidates, lag=options.lag, jobs=1)
            search(config, executor=given, observe=half_way)
    given.stop()
    return _figures(options, given, clock, found)


@contextmanager
def _grown(path: Path, found: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        found["archive_mb"] = path.stat().st_size / 1e6
        with Archive.read(path) as archive:
            archive.verify_digest()


def _figures(options: argparse.Namespace, given: SimulatedWorkers, clock: Clock, found: dict[str, Any]) -> dict[str, Any]:
    count = options.candidates
    wall = _parts(clock.wall, count)
    own = _parts(clock.own, count)
    return {
        "workers": options.workers, "seconds": options.seconds, "lag": options.lag, "candidates": count, "busy": given.share_busy(),
        "candidates_a_second": count / found["wall"], "dialogues_a_candidate": found["dialogues"] / count,
        "ms_a_candidate": wall, "own_ms_a_candidate": own, "all_threads_ms_a_candidate": 1000 * found["used"] / count,
        "kb_a_candidate": {
            "sent": given.sent / 1e3 / count, "back": given.back / 1e3 / count, "archive": 1e3 * found["archive_mb"] / count,
            "memory": max(0.0, 2e3 * found["memory_mb"] / count),
        },
        "sent_again": given.lacked,
    }  # fmt: skip


def _parts(seconds: dict[str, float], count: int) -> dict[str, float]:
    """Milliseconds per candidate by part, and their sum."""
    parts = {name: 1000 * one / count for name, one in seconds.items()}
    return {**parts, "sum": sum(parts.values())}


def needs(options: argparse.Namespace, found: dict[str, Any]) -> dict[str, Any]:
    """The needs of the target: the amount of each resource, and its multiple of what is available."""
    rate = options.target_workers / options.seconds  # candidates per second that keep all workers busy
    count = options.target_dialogues / found["dialogues_a_candidate"]
    sizes, cost = found["kb_a_candidate"], found["ms_a_candidate"]["sum"] / 1000
    gbit = rate * (sizes["sent"] + sizes["back"]) * 8 / 1e6
    archive, memory = count * sizes["archive"] / 1e6, count * sizes["memory"] / 1e6
    times = {
        "coordinator": rate * cost, "network": gbit / options.gbit, "memory": memory / options.memory_gb, "disk": archive / options.disk_gb,
    }  # fmt: skip
    return {
        "workers": options.target_workers, "dialogues": options.target_dialogues, "candidates": count, "candidates_a_second": rate,
        "coordinator_hours": count * cost / 3600, "workers_one_coordinator_keeps_busy": options.seconds / cost,
        "gbit_a_second": gbit, "wire_gb": count * (sizes["sent"] + sizes["back"]) / 1e6, "archive_gb": archive, "memory_gb": memory,
        "times_what_there_is": times, "breaks_first": max(times, key=lambda name: times[name]),
    }  # fmt: skip


def main() -> None:
    """Measure, and print the figures."""
    options = _options()
    found = measured(options)
    target = needs(options, found)
    if options.json:
        print(json.dumps({"measured": found, "needed": target}))
        return
    print(f"{options.workers} workers, {options.seconds:g} s a candidate, lag {options.lag}: {found['busy']:.1%} busy, "
          f"{found['candidates_a_second']:.1f} candidates/s of {found['dialogues_a_candidate']:.0f} dialogues")  # fmt: skip
    print(f"{'ms a candidate':16}{'wall':>8}{'own':>8}")
    for name, value in found["ms_a_candidate"].items():
        print(f"  {name:14}{value:8.2f}{found['own_ms_a_candidate'][name]:8.2f}")
    print(f"  {'all threads':22}{found['all_threads_ms_a_candidate']:8.2f}")
    print("kB a candidate:  " + "  ".join(f"{name} {value:.1f}" for name, value in found["kb_a_candidate"].items()))
    print(f"sent again to workers that lacked something: {found['sent_again']}")
    print(f"{target['workers']:,} workers and {target['dialogues']:,} dialogues ({target['candidates']:,.0f} candidates):")
    for name in ("coordinator_hours", "workers_one_coordinator_keeps_busy", "gbit_a_second", "wire_gb", "archive_gb", "memory_gb"):
        print(f"  {name.replace('_', ' '):36}{target[name]:10.1f}")
    print("  times what there is:  " + "  ".join(f"{name} {value:.1f}" for name, value in target["times_what_there_is"].items()))
    print(f"  what breaks first: {target['breaks_first']}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a worker per candidate")
    parser.add_argument("--lag", type=int, default=400)
    parser.add_argument("--candidates", type=int, default=2000)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--target-workers", type=int, default=1000)
    parser.add_argument("--target-dialogues", type=int, default=10_000_000)
    parser.add_argument("--gbit", type=float, default=10.0, help="network bandwidth in Gbit/s")
    parser.add_argument("--memory-gb", type=float, default=32.0)
    parser.add_argument("--disk-gb", type=float, default=1000.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The cost of the lag: idle calls if it is short, stale parents if it is long: ``python -m benchmarks.lag [--in-flight 16] [--json]``.

Candidate k is bred from the results of candidates up to k - lag, and at most ``lag`` are in flight. Answers arrive in any order, but
results are used in the order of requests; so if the lag is no longer than the number of calls in flight, finished ones wait for the
slowest and their slots are idle. Reported for lags of several multiples (``--times``) of the calls in flight:

- ``busy``: mean share of the ``--in-flight`` slots of a model's server in use, from the first request until the last begins. The search has
  a mutator that writes programs and the embedded engine for dialogues; answer times are drawn from a log-normal distribution with
  ``--median`` seconds and ``--sigma``, seeded, by a server in a process of its own.
- ``schedule``: the same computed for an engine without cost; the gap to ``busy`` is due to the engine and the machine.
- ``score``: the expected score of the best program on new dialogues after ``--after`` candidates, with the embedded engine's own operators;
  mean over ``--seeds`` searches of small plans, and the paired difference to the first lag with its standard error. It needs no server;
  lags of 1 and 4 are included.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.model_server import ModelServer
from personaevo.config import SearchConfig
from personaevo.evolve.progress import Progress
from personaevo.evolve.search import search

ROOT = Path(__file__).resolve().parents[1]
_TINY: dict[str, Any] = {"finalists": 1, "test_tasks": 2, "test_personas": 1, "people_draws": 2}
_BESIDE = (1, 4)


class AnswerTimes:
    """Draws each answer's time, as the server's fault rule (it never fails), and records when each began."""

    def __init__(self, seed: int, median: float, sigma: float) -> None:
        self.begun: list[float] = []
        self.drawn: list[float] = []
        self._rng, self._median, self._sigma = random.Random(seed), median, sigma
        self.server: ModelServer | None = None

    def __call__(self, _request: object, _attempt: int) -> None:
        """Set the delay, which the same thread waits for next."""
        assert self.server is not None, "set as it begins"
        self.begun.append(time.monotonic())
        self.server.latency_seconds = self.draw()

    def draw(self) -> float:
        """The seconds of the next answer."""
        self.drawn.append(math.exp(self._rng.gauss(math.log(self._median), self._sigma)))
        return self.drawn[-1]

    def busy(self, places: int) -> float:
        """Mean share of the slots in use until the last answer began."""
        if len(self.begun) < 2:
            return 0.0
        first, last = self.begun[0], self.begun[-1]
        taken = sum(min(seconds, last - start) for start, seconds in zip(self.begun, self.drawn, strict=True))
        return taken / ((last - first) * places)


def serve(options: argparse.Namespace) -> None:
    """Run a server until told to end, then report how busy it was."""
    times = AnswerTimes(options.serve, options.median, options.sigma)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with ModelServer(fault=times) as times.server:
        print(times.server.openai_url, flush=True)
        ended.wait()
    print(times.busy(options.in_flight))


def main() -> None:
    """Both measures for every lag."""
    options = _options()
    if options.serve is not None:
        serve(options)
        return
    lags = [round(times * options.in_flight) for times in options.times]
    busy = {lag: _busy(lag, options) for lag in lags} if options.median > 0 else {}
    scores = {lag: _scores(lag, options) for lag in (*_BESIDE, *lags)} if options.seeds > 0 else {}
    schedule = {lag: _schedule(lag, options) for lag in (*_BESIDE, *lags)}
    rows = [_row(lag, lags[0], schedule, busy, scores) for lag in sorted(schedule)]
    if options.json:
        print(json.dumps({"in_flight": options.in_flight, "lags": rows}))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items() if value is not None))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--times", type=float, nargs="+", default=[1, 1.5, 2, 3])
    parser.add_argument("--median", type=float, default=2.0, help="seconds of an answer; 0 skips the first measure")
    parser.add_argument("--sigma", type=float, default=0.6, help="standard deviation of the logarithm")
    parser.add_argument("--candidates", type=int, default=128, help="of the first measure")
    parser.add_argument("--seeds", type=int, default=5, help="0 skips the second measure")
    parser.add_argument("--after", type=int, nargs="+", default=[60, 100])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=int, metavar="SEED", help=argparse.SUPPRESS)
    return parser.parse_args()


def _schedule(lag: int, options: argparse.Namespace) -> float:
    """Share of slots in use if a candidate is one answer: it begins when a slot is free and all candidates at least ``lag`` before it
    are done."""
    times, count = AnswerTimes(0, 1.0, options.sigma), 20_000
    free, told, started = [0.0] * options.in_flight, [0.0] * count, 0.0
    for number in range(count):
        started = max(heapq.heappop(free), told[number - lag] if number >= lag else 0.0)
        ended = started + times.draw()
        heapq.heappush(free, ended)
        told[number] = max(ended, told[number - 1])
    return sum(times.drawn) / (started * float(options.in_flight))


def _busy(lag: int, options: argparse.Namespace) -> float:
    command = [sys.executable, "-m", "benchmarks.lag", "--serve", "0", "--median", str(options.median), "--sigma", str(options.sigma)]
    command += ["--in-flight", str(options.in_flight)]
    os.environ.setdefault("OPENAI_API_KEY", "none")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server, tempfile.TemporaryDirectory() as folder:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            search(SearchConfig(
                archive=Path(folder) / "a.duckdb", candidates=options.candidates, lag=lag, at_once=options.in_flight, jobs=options.jobs,
                task_count=2, personas=1, models={"mutator": f"openai:small@{url}"}, **_TINY,
            ))  # fmt: skip
        finally:
            server.terminate()
        return float(server.stdout.read().split()[-1])


def _scores(lag: int, options: argparse.Namespace) -> dict[int, list[float]]:
    """The expected score of the best candidate after ``--after`` candidates, in each search."""
    found: dict[int, list[float]] = {after: [] for after in options.after}
    for seed in range(1, options.seeds + 1):

        def look(progress: Progress) -> None:
            if progress.done in found:
                found[progress.done].append(progress.expected or 0.0)

        with tempfile.TemporaryDirectory() as folder:
            search(SearchConfig(
                archive=Path(folder) / "a.duckdb", candidates=max(options.after), lag=lag, seed=seed, jobs=options.jobs, task_count=5,
                personas=4, **_TINY,
            ), observe=look)  # fmt: skip
    return found


def _row(
    lag: int, first: int, schedule: Mapping[int, float], busy: Mapping[int, float], scores: Mapping[int, Mapping[int, list[float]]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"lag": lag, "schedule": round(schedule[lag], 3), "busy": None if lag not in busy else round(busy[lag], 3)}
    for after, values in scores.get(lag, {}).items():
        gains = [one - other for one, other in zip(values, scores[first][after], strict=True)]
        error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
        row |= {f"score_{after}": round(statistics.mean(values), 3), f"gain_{after}": round(statistics.mean(gains), 3)}
        row[f"gain_{after}_se"] = round(error, 3)
    return row


if __name__ == "__main__":
    main()

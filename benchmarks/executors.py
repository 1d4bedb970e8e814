"""The same search on several executors: scaling, fault tolerance, errors and wire sizes.

    python -m benchmarks.executors [--backends loky dask ray] [--dialogue 0.05] [--spend processor|sleep]
        [--candidates 24] [--repeats 3] [--json]

- ``cores``: dialogues per second with two jobs over those with one, and the same for a pure function of the processor in the same
  processes (the control). Runs alternate; medians are reported. ``of_control`` is the dialogues' share of the control's gain.
- ``backends``: the digest, and dialogues per second where each takes ``--dialogue`` seconds longer (of processor time, or asleep as when
  waiting for a model), also relative to loky's; two workers each, from the fifth commit on, to exclude start-up. Then the same search
  once more in the same process with a worker killed midway, and the additional time.
- ``wrong_address``: the error for an address without a server, and the seconds until it appears.
- ``wire``: bytes and milliseconds of packing a task, pickled as a whole each time (``whole``) and as it is sent.

Backends that are not installed are left out. The benchmark fails if digests differ.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from personaevo import executors
from personaevo.config import SearchConfig
from personaevo.errors import ConfigError
from personaevo.evolve import loop as loop_module
from personaevo.evolve import rollout
from personaevo.evolve.progress import Progress, SearchResult
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.search import search
from personaevo.records import Episode
from personaevo.simulate.episodes import run_episode
from personaevo.workers import Workers

ROOT = Path(__file__).resolve().parents[1]
WORKERS, SKIPPED = 2, 5  # workers of every backend; commits before timing starts
_TINY: dict[str, Any] = {
    "task_count": 3, "personas": 2, "finalists": 1, "test_tasks": 2, "test_personas": 2, "people_draws": 2, "control_dialogues": 20,
    "lag": 6,
}  # fmt: skip
_ROUNDS = 60_000
_WRONG = {"dask": "tcp://127.0.0.1:9", "ray": "127.0.0.1:9"}


def spin(rounds: int) -> int:
    """A pure function of the processor."""
    value = 1
    for number in range(rounds):
        value = (value * 1103515245 + number) % 2147483647
    return value


def longer(seconds: float, sleeps: bool, work: Rollout) -> tuple[Episode, ...]:
    """A roll-out whose dialogues take additional seconds of processor time, or of sleep; runs in worker processes."""

    def played(*args: Any, **named: Any) -> Episode:
        if sleeps:
            time.sleep(seconds)
        until = time.thread_time() + (0.0 if sleeps else seconds)
        while time.thread_time() < until:
            spin(500)
        return run_episode(*args, **named)

    with patch.object(rollout, "run_episode", played):
        return roll_out(work)


class Rate:
    """Dialogues per second from a commit on; observes a search."""

    def __init__(self, at: int = SKIPPED, then: Callable[[], None] = lambda: None) -> None:
        self._at, self._then = at, then
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)

    def __call__(self, progress: Progress) -> None:
        self._last = time.perf_counter(), progress.episodes
        if self._first is None and progress.done >= self._at:
            self._first = self._last
            self._then()

    @property
    def value(self) -> float:
        """The rate."""
        assert self._first is not None
        return (self._last[1] - self._first[1]) / max(1e-9, self._last[0] - self._first[0])


def _searched(executor: Executor | None, observe: Callable[[Progress], None], **settings: Any) -> tuple[SearchResult, float]:
    """A search's result, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = search(SearchConfig(archive=Path(folder) / "a.duckdb", **settings), observe=observe, executor=executor)
        return result, time.perf_counter() - begun


# --- from one to two cores


def cores(candidates: int, repeats: int) -> dict[str, float]:
    """Rates with one job and two, of dialogues and of the control."""
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(repeats):
        for jobs in (1, WORKERS):
            rates.setdefault(("control", jobs), []).append(_control(jobs))
            rate = Rate()
            _searched(None, rate, jobs=jobs, candidates=candidates, finalists=1, test_tasks=2, test_personas=2, people_draws=2)
            rates.setdefault(("dialogues", jobs), []).append(rate.value)
    middle = {key: statistics.median(values) for key, values in rates.items()}
    gain = {name: middle[name, WORKERS] / middle[name, 1] for name in ("control", "dialogues")}
    return {
        "dialogues_a_second_1": middle["dialogues", 1], "dialogues_a_second_2": middle["dialogues", WORKERS],
        "gain": gain["dialogues"], "gain_of_control": gain["control"], "of_control": gain["dialogues"] / gain["control"],
    }  # fmt: skip


def _control(jobs: int) -> float:
    """Calls of ``spin`` per second, without the workers' start."""
    here = import_module("benchmarks.executors")
    with Workers(jobs) as workers:
        workers.map(here.spin, [10] * 8)
        begun = time.perf_counter()
        workers.map(here.spin, [10 * _ROUNDS] * 12)
        return 12 / (time.perf_counter() - begun)


# --- backends


def compared(options: argparse.Namespace, names: list[str]) -> dict[str, dict[str, Any]]:
    """Every backend's digest and rate, undisturbed and with a worker killed; all are started first and take turns."""
    here = import_module("benchmarks.executors")
    slow = partial(here.longer, options.dialogue, options.spend == "sleep")
    settings = {**_TINY, "candidates": options.candidates, "jobs": WORKERS}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ExitStack() as stack:
        executors = {name: stack.enter_context(_cluster(name)) for name in names}
        stack.enter_context(patch.object(loop_module, "roll_out", slow))
        for _ in range(options.repeats):
            for name, given in executors.items():
                runs[name].append(_twice(given, settings))
    digests = {one[key] for some in runs.values() for one in some for key in ("digest", "digest_killed")}
    if len(digests) != 1:
        raise SystemExit(f"digests differ: {runs}")
    return {name: _middle(some, runs["loky"]) for name, some in runs.items()}


def _twice(given: Executor | None, settings: dict[str, Any]) -> dict[str, Any]:
    """One search undisturbed, and one with a worker killed midway."""
    rate = Rate()
    whole, took = _searched(given, rate, **settings)
    killed, took_killed = _searched(given, Rate(settings["candidates"] // 2, partial(_kill, given)), **settings)
    return {"digest": whole.digest, "rate": rate.value, "digest_killed": killed.digest, "longer": took_killed - took}


def _middle(runs: list[dict[str, Any]], loky: list[dict[str, Any]]) -> dict[str, Any]:
    rate, of_loky = (statistics.median(one["rate"] for one in some) for some in (runs, loky))
    longer_killed = statistics.median(one["longer"] for one in runs)
    return {"digest": runs[0]["digest"], "dialogues_a_second": rate, "of_loky": rate / of_loky, "seconds_longer_killed": longer_killed}


class _cluster:  # noqa: N801 - used like a function
    """The executor of a backend with two workers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._cluster: Any = None

    def __enter__(self) -> Executor | None:
        address = None
        if self._name == "dask":
            self._cluster = import_module("distributed").LocalCluster(WORKERS, threads_per_worker=1, dashboard_address=None)
            address = self._cluster.scheduler_address
        if self._name == "ray":
            self._cluster = import_module("ray")
            self._cluster.init("local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
        self._backend = executors.executor(self._name, address)
        return self._backend.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._backend.__exit__(*error)
        if self._cluster is not None:
            getattr(self._cluster, "close" if self._name == "dask" else "shutdown")()


def _kill(given: Executor | None) -> None:
    """Kill one worker of the executor, or one that the search started."""
    os.kill(given.submit(os.getpid).result() if given is not None else _loky_workers()[0], signal.SIGKILL)


def _loky_workers() -> list[int]:
    children = [int(one) for part in Path("/proc/self/task").iterdir() for one in (part / "children").read_text("ascii").split()]
    found = [one for one in children if b"loky.backend.popen_loky_posix" in Path(f"/proc/{one}/cmdline").read_bytes()]
    if not found:
        raise SystemExit("no worker process of loky's was found")
    return found


def wrong_addresses(names: list[str]) -> dict[str, dict[str, Any]]:
    """The error for an address without a server."""
    found: dict[str, dict[str, Any]] = {}
    for name in set(names) & set(_WRONG):
        begun = time.perf_counter()
        try:
            with executors.executor(name, _WRONG[name]):
                raise SystemExit(f"somebody answers at {_WRONG[name]}")
        except ConfigError as error:
            found[name] = {"said": str(error), "seconds": time.perf_counter() - begun}
    return found


# --- wire sizes


class PicklingExecutor(Executor):
    """An executor of one thread that pickles as a process would."""

    def __init__(self) -> None:
        self.inner, self.sent, self.back = ThreadPoolExecutor(1), 0, 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.sent += len(pickle.dumps((function, args, named), 5))
        future = self.inner.submit(function, *args, **named)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, future: Future[Any]) -> None:
        self.back += len(pickle.dumps(future.result(), 5))


def wire(candidates: int) -> dict[str, float]:
    """Bytes of a default search's tasks, and the time of packing them."""
    given, submit = PicklingExecutor(), Workers.submit
    whole, packing, count = [0, 0.0], [0.0], [0]

    def submitted(workers: Workers, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        begun = time.thread_time()
        whole[0] += len(pickle.dumps((function, work), 5))
        between = time.thread_time()
        packed = workers._packer.pack((function, work))
        packing[0] += time.thread_time() - between
        whole[1] += between - begun
        count[0] += len(packed.work) > 0
        return submit(workers, function, work)

    with patch.object(Workers, "submit", submitted):
        _searched(given, lambda _: None, candidates=candidates)
    given.inner.shutdown()
    return {
        "pieces": count[0], "whole_kb": whole[0] / 1e3, "sent_kb": given.sent / 1e3, "back_kb": given.back / 1e3,
        "whole_ms_a_piece": 1000 * whole[1] / count[0], "packing_ms_a_piece": 1000 * packing[0] / count[0],
    }  # fmt: skip


def main() -> None:
    """Measure, and print the figures."""
    options = _options()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # for workers
    names = [name for name in options.backends if find_spec({"loky": "joblib", "dask": "distributed"}.get(name, name))]
    found: dict[str, dict[str, Any]] = {
        "wrong_address": wrong_addresses(names),
        "cores": cores(options.candidates, options.repeats),
        "backends": compared(options, names),
        "wire": wire(options.candidates),
    }
    if options.json:
        print(json.dumps(found))
        return
    for part, figures in found.items():
        print(part)
        for name, value in figures.items():
            print(f"  {name}: {_told(value)}")
    print(f"not installed: {', '.join(sorted(set(options.backends) - set(names))) or 'none'}")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_told(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["loky", "dask", "ray"], choices=["loky", "dask", "ray"])
    parser.add_argument("--dialogue", type=float, default=0.05, help="additional seconds per dialogue")
    parser.add_argument("--spend", choices=["processor", "sleep"], default="processor", help="how these seconds are spent")
    parser.add_argument("--candidates", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if "loky" not in options.backends:
        parser.error("--backends: expected loky among them: the others are told beside it")
    return options


if __name__ == "__main__":
    main()

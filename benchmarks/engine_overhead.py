"""Overhead of the engine over its evaluations.

    python -m benchmarks.engine_overhead --candidates 100 --in-flight 16 --latency 0.2 [--json] [--embedded] [--profile FILE]
        [--openevolve PYTHON]
    python -m benchmarks.engine_overhead --default [--json]

A search of trivial evaluations (four dialogues per candidate) with a mutator that answers after ``--latency`` seconds: the example's server
in a process of its own, called with the real client. Start and final table are included; ``start`` is the time until the first candidate
is requested. The cache of starts is not cleared, so run it twice. ``--embedded`` breeds on the syntax tree instead. ``ideal`` is the
time of the latency alone. Memory is the peak of the summed proportional set sizes (PSS) of the search and its workers.
``--default`` runs the default search, and then plays all of its dialogues once more in one process (without the rows that all searches
share, which are cached): ``work`` is the processor time of that, sandboxes included, and ``allowed`` is 3 s plus 1.2 times the work
divided by the processors. Run it twice. ``--openevolve`` runs OpenEvolve, installed for that Python, with the same latency and an
evaluation that returns at once.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.prepare import prepare
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.search import search
from personaevo.workers import Workers, processors

ROOT = Path(__file__).resolve().parents[1]
_LOOK_SECONDS = 0.25
_TINY: dict[str, Any] = {
    "task_count": 2, "personas": 1, "finalists": 1, "test_tasks": 2, "test_personas": 1, "people_draws": 2,
}  # fmt: skip


def main() -> None:
    """Run one search and print its figures."""
    options = _options()
    if options.default:
        found = _default(options)
        print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))
        return
    with tempfile.TemporaryDirectory() as folder, _server(options) as url, _memory() as peak:
        place = Path(folder) / "a.duckdb"
        models = {} if url is None else {"mutator": f"openai:small@{url}"}
        config = SearchConfig(
            archive=place, candidates=options.candidates, lag=options.in_flight, at_once=options.in_flight, models=models,
            jobs=options.jobs, **_TINY,
        )  # fmt: skip
        with _profiled(options.profile):
            result, seconds, start = _timed_search(config)
        size = place.stat().st_size / 2**20
    ideal = 0.0 if url is None else math.ceil(options.candidates / options.in_flight) * options.latency
    found = {"seconds": round(seconds, 2), "ideal": round(ideal, 2), "start": round(start, 2), "memory_mb": round(peak[0])}
    found["archive_mb"] = round(size, 1)
    if options.openevolve:
        found |= _openevolve(options, seconds)
    if options.json:
        print(json.dumps(found))
        return
    print("  ".join(f"{name} {value}" for name, value in found.items()))
    print(f"{(seconds - ideal) / options.candidates * 1000:.1f} ms a candidate beside the ideal; digest {result.digest}")


def _timed_search(config: SearchConfig) -> tuple[SearchResult, float, float]:
    """The result, and the seconds of the search and of its start."""
    started, loop = [0.0], SearchLoop.loop

    def looping(running: SearchLoop) -> None:
        started[0] = time.perf_counter() - begun
        loop(running)

    setattr(SearchLoop, "loop", looping)  # noqa: B010 - mypy rejects an assignment
    begun = time.perf_counter()
    result = search(config)
    return result, time.perf_counter() - begun, started[0]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--default", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", type=Path, help="file for cProfile's statistics of the main thread")
    parser.add_argument("--openevolve", metavar="PYTHON")
    return parser.parse_args()


@contextmanager
def _profiled(file: Path | None) -> Iterator[None]:
    """Write cProfile's statistics of this thread's processor time while the block runs."""
    if file is None:
        yield
        return
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    yield
    profile.disable()
    profile.dump_stats(file)


def _default(options: argparse.Namespace) -> dict[str, float]:
    """Seconds of the default search, and of its dialogues and sandboxes alone."""
    with tempfile.TemporaryDirectory() as folder:
        config = SearchConfig(archive=Path(folder) / "a.duckdb", jobs=options.jobs)
        begun = time.perf_counter()
        with _profiled(options.profile):
            result = search(config)
        seconds = time.perf_counter() - begun
        with Archive.read(result.archive) as archive:
            commits, finals = archive.commits(1), archive.finals(1)
    sources = {one.candidate.program.id: one.candidate.program.source for one in commits}
    with Workers(1) as workers:
        bench = prepare(config, workers)
    works = [bench.rollout(sources[one.evaluation.program_id], bench.train_plan) for one in commits if one.evaluation is not None]
    works += [bench.rollout(sources[one.program_id], bench.final_plan) for one in finals]
    works += [bench.rollout(result.best.source, bench.test_plan)]
    begun = _processor_seconds()
    for work in works:
        roll_out(work)
    work_seconds = _processor_seconds() - begun
    allowed = 3.0 + 1.2 * work_seconds / (options.jobs or processors())
    return {"seconds": round(seconds, 2), "work": round(work_seconds, 2), "allowed": round(allowed, 2)}


def _processor_seconds() -> float:
    """Processor time of this process and its children, ended ones included."""
    ticks = 0
    for process in _family(os.getpid()):
        fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _openevolve(options: argparse.Namespace, ours: float) -> dict[str, float]:
    """Seconds of OpenEvolve's run, without imports, and the ratio of our time to it."""
    script, program = ROOT / "benchmarks" / "outside" / "run_openevolve.py", ROOT / "seeds" / "program.py"
    with tempfile.TemporaryDirectory() as folder, _server(options) as url:
        command = [options.openevolve, str(script), str(url), str(options.candidates), str(options.in_flight), str(program)]
        said = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = float(re.findall(r"^seconds ([\d.]+)", said, re.MULTILINE)[-1])
    return {"openevolve_seconds": seconds, "ratio": round(ours / seconds, 2)}


@contextmanager
def _server(options: argparse.Namespace) -> Iterator[str | None]:
    """The address of the model while the block runs."""
    if options.embedded:
        yield None
        return
    command = [sys.executable, "-m", "examples.model_server", "--port", "0", "--latency", str(options.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            found = next(match for line in server.stdout if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
            os.environ.setdefault("OPENAI_API_KEY", "none")
            yield f"{found[0]}/v1"
        finally:
            server.terminate()


@contextmanager
def _memory() -> Iterator[list[float]]:
    """Peak summed PSS, in MiB, of this process and its descendants while the block runs, without the model's server."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            peak[0] = max(peak[0], sum(map(_pss, _family(os.getpid()))))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield peak
    finally:
        over.set()
        watch.join()


def _family(process: int) -> list[int]:
    found = [process]
    try:
        children = [one for task in Path(f"/proc/{process}/task").iterdir() for one in (task / "children").read_text("ascii").split()]
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return []
    if b"examples.model_server" in command:
        return []
    for child in children:
        found += _family(int(child))
    return found


def _pss(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()

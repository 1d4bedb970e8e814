"""Time of drawing personas: ``python -m benchmarks.sampler [--personas 100000]``.

Opening each packaged archive (in a process of its own, and again in the same one), and sampling from a warm sampler of a generated archive:
20 programs with all personas stored, each the elite of a cell, so that all may be drawn. Best of several, as machines are shared.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from personaevo import content
from personaevo.archive import Archive
from personaevo.definitions import features
from personaevo.records import Candidate, CellScore, Commit, Episode, Estimate, Evaluation, Persona, PlanItem, Program
from personaevo.sampler import PersonaSampler

RUNS = 7
PROGRAMS, TASKS = 20, 50
WHERE = "words_per_turn < 12 and pushback_rate > 0.2 or cell in (1, 2)"
COLD = (
    "import time\nbegun = time.perf_counter()\nfrom personaevo.sampler import PersonaSampler\nread = time.perf_counter()\n"
    "PersonaSampler({name!r})\nprint(read - begun, time.perf_counter() - read)"
)


def best(function: Callable[[], object], runs: int = RUNS) -> float:
    """Minimum wall time of several calls, in seconds."""
    found = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        found.append(time.perf_counter() - begun)
    return min(found)


def cold(name: str) -> tuple[float, float]:
    """Importing and opening in a new process, in seconds, of the run with the smallest sum."""
    runs = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, "-c", COLD.format(name=name)], check=True, capture_output=True, text=True)
        importing, opening = map(float, done.stdout.split())
        runs.append((importing, opening))
    return min(runs, key=sum)


def write(path: Path, personas: int) -> None:
    """Write the generated archive."""
    each = personas // PROGRAMS
    with Archive.create_or_open(path) as archive:
        cells = [{"cell": cell, "name": f"cell {cell}", "mass": 1 / PROGRAMS} for cell in range(PROGRAMS)]
        run = archive.begin_run({"domain": "service", "preservation_floor": 0.9}, cells)
        for number in range(PROGRAMS):
            archive.commit(run.id, _commit(number, each))


def _commit(number: int, personas: int) -> Commit:
    rng = random.Random(number)
    program = Program(f"{number:016x}", f"AXES = []\nNUMBER = {number}\n")
    objectives = {name: Estimate(1.0, 0.0, 1.0) for name in ("human_likeness", "coverage", "score", "task_preservation")}
    cells = tuple(CellScore(cell, 0.1, 0.9 if cell == number else 0.1, 0.01) for cell in range(PROGRAMS))
    evaluation = Evaluation(program.id, "train", personas, personas, objectives, cells)
    episodes = tuple(_episode(rng, index) for index in range(personas))
    return Commit(Candidate(number, program, (), "seed", "evaluated"), evaluation, episodes)


def _episode(rng: random.Random, index: int) -> Episode:
    values = tuple(rng.uniform(0, 20) if name == "words_per_turn" else rng.random() for name in features().names)
    persona = Persona(
        id=f"p{index}", description=f"someone {rng.random()}", behaviors={f"axis_{axis}": rng.random() for axis in range(4)},
        dials={name: rng.random() for name in features().names[:12]}, policy="Write about 5 words per message.\n" * 20,
    )  # fmt: skip
    item = PlanItem(f"task {index % TASKS}", index // TASKS, rng.getrandbits(63))
    outcome = rng.choice(["completed", "completed", "gave_up"])
    cell = rng.randrange(PROGRAMS)
    return Episode(item, "completed", (("user", "hello there"),), outcome, values, 1.0, rng.random(), cell, persona)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--personas", type=int, default=100_000)
    options = parser.parse_args()
    for name in content.archives():
        importing, opening = cold(name)
        again = best(lambda name=name: PersonaSampler(name))  # type: ignore[misc]
        print(f"open {name:10}{again * 1000:6.0f} ms; in a new process {opening * 1000:.0f} ms after {importing * 1000:.0f} ms of imports")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.duckdb"
        write(path, options.personas)
        begun = time.perf_counter()
        sampler = PersonaSampler(path)
        print(f"open {options.personas:,} personas: {time.perf_counter() - begun:.1f} s")
        _sample(sampler)


def _sample(sampler: PersonaSampler) -> None:
    for title, where in (("all", None), (WHERE, WHERE)):
        for strategy in ("human", "uniform", "hard"):
            begun = time.perf_counter()
            sampler.sample(n=1, strategy=strategy, where=where)
            first = time.perf_counter() - begun
            each = [_each(sampler, n, strategy, where) for n in (1, 5, 100, 10_000)]
            print(f"{strategy:8} of {title}: first {first * 1000:.0f} ms, then ms a persona for n = 1, 5, 100, 10,000:", *each)
    seeds = iter(range(1_000_000))
    times = [best(lambda: sampler.sample("task 3", n=5, seed=next(seeds)), 1) / 5 for _ in range(200)]
    print(f"for one task, n = 5: median {statistics.median(times) * 1000:.3f} ms a persona, the slowest of 200 {max(times) * 1000:.3f} ms")


def _each(sampler: PersonaSampler, n: int, strategy: str, where: str | None) -> str:
    seconds = best(lambda: sampler.sample(n=n, strategy=strategy, where=where, seed=n))  # type: ignore[arg-type]
    return f"{seconds / n * 1000:.3f}"


if __name__ == "__main__":
    main()

"""The archive at scale: what inserting, looking and resuming take, from a thousand stored evaluations to a million.

    python -m benchmarks.archive_scale --evaluations 1000,10000,100000,1000000 [--episodes] [--json] [--pyribs PYTHON] [--folder FOLDER]

Programs are bred from the seed program by the search's own operators and made distinct by one constant each; evaluations have the
objectives, cells, remarks and replicates of a search. ``--episodes`` adds four dialogues and personas to each.

For each size: ``merge_per_s`` is the evaluations of two archives of half the size each, over all the seconds of ``archive.merge`` of both
(opening, every check of values and digests, programs kept once, the checkpoint). ``commit_per_s`` is that of ``Archive.add`` into the merged
archive, written as a search does (64 together, or what came in a quarter of a second) until the last is safe from ``kill -9``;
``unflushed_per_s`` the same without writing, so that what durability costs is the difference. ``summary_s`` and ``elites_s`` are whole
commands in a process of their own, ``command_s`` the same of ``archive --help``. ``open_s`` is ``Archive.create_or_open``, ``outcomes_s``
what a resumed search reads. ``bytes`` are those of the merged file for an evaluation. ``memory_mb`` is the largest resident size of this
process so far; ``--pyribs`` names a Python that has pyribs, whose ``GridArchive`` takes solutions of one number in memory, in batches of 64,
and keeps neither texts nor anything else after the process ends. The archives of half the size are made in bulk, with digests that hold.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.scale import Maker, build
from personaevo.archive import Archive, merge
from personaevo.records import Commit

_ADDED = 2_000  # commits that are timed, unless the archive is smaller
_LONGEST_SECONDS = 0.25  # that a search lets what was told wait, as evolve.search does
_PYRIBS = """
import sys, time
import numpy as np
from ribs.archives import GridArchive
count, rng = int(sys.argv[1]), np.random.default_rng(0)
archive = GridArchive(solution_dim=1, dims=[4, 4], ranges=[(0, 1), (0, 1)])
solutions, scores, places = rng.random((count, 1)), rng.random(count), rng.random((count, 2))
begun = time.perf_counter()
for first in range(0, count, 64):
    part = slice(first, first + 64)
    archive.add(solutions[part], scores[part], places[part])
print(count / (time.perf_counter() - begun))
"""


def main() -> None:
    """Measures each size, and prints a line for each."""
    options = _options()
    sizes = [int(size) for size in options.evaluations.split(",")]
    maker = Maker(episodes=options.episodes)
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found = _measured(Path(folder), size, maker)
        if options.pyribs:
            found["pyribs_per_s"] = _pyribs(options.pyribs, size)
        found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", default="1000,10000,100000", help="sizes, with commas between them")
    parser.add_argument("--episodes", action="store_true", help="four dialogues an evaluation")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pyribs", metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="where the archives are made (default: the system's)")
    return parser.parse_args()


def _measured(folder: Path, size: int, maker: Maker) -> dict[str, Any]:
    halves = [folder / f"half{number}.duckdb" for number in range(2)]
    built = _seconds(lambda: [build(half, max(1, size // 2), maker, seed) for seed, half in enumerate(halves)])
    merged = folder / "merged.duckdb"
    merging = _seconds(partial(merge, merged, halves))
    found: dict[str, Any] = {"evaluations": size, "built_s": built, "merge_per_s": round(size / merging), "merge_s": merging}
    found["bytes"] = merged.stat().st_size // size
    for name, words in {"summary": ["archive", "summary", merged], "elites": ["archive", "elites", merged], "command": ["archive", "--help"]}.items():
        found[f"{name}_s"] = min(_seconds(partial(_command, list(map(str, words)))) for _ in range(3))
    return found | _written(merged, maker, min(_ADDED, size))


def _written(path: Path, maker: Maker, count: int) -> dict[str, Any]:
    """What a writer takes: to open, to resume, to commit."""
    begun = time.perf_counter()
    with Archive.create_or_open(path) as archive:
        found: dict[str, Any] = {"open_s": round(time.perf_counter() - begun, 3)}
        run = archive.run()
        found["outcomes_s"] = _seconds(lambda: archive.outcomes(run.id))
        commits = [replace(one, candidate=replace(one.candidate, number=number)) for number, one in enumerate(maker.commits(count, "new"))]
        runs = [archive.begin_run(run.settings, run.cells, archive.scoring(run.id)).id for _ in range(2)]
        found["commit_per_s"] = round(count / _seconds(partial(_committed, archive, runs[0], commits)))
        archive.publish_snapshot()
        found["unflushed_per_s"] = round(count / _seconds(partial(_prepared, archive, runs[1], commits)))
    return found


def _committed(archive: Archive, run: int, commits: Sequence[Commit]) -> None:
    flushed = time.monotonic()
    for commit in commits:
        archive.add(run, commit)
        if time.monotonic() - flushed > _LONGEST_SECONDS:
            archive.flush()
            flushed = time.monotonic()
    archive.flush()


def _prepared(archive: Archive, run: int, commits: Sequence[Commit]) -> None:
    """Everything but the writing."""
    for some in _parts(commits, 63):
        for commit in some:
            archive.add(run, commit)
        archive._waiting.clear()


def _parts(commits: Sequence[Commit], count: int) -> Iterator[Sequence[Commit]]:
    for first in range(0, len(commits), count):
        yield commits[first : first + count]


def _command(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "personaevo", *words], check=True, stdout=subprocess.DEVNULL)


def _pyribs(python: str, count: int) -> int:
    done = subprocess.run([python, "-c", _PYRIBS, str(count)], check=True, stdout=subprocess.PIPE, text=True)
    return round(float(done.stdout))


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


if __name__ == "__main__":
    random.seed(0)
    main()

"""The archive at scale: times of inserting, reading and resuming, from a thousand stored evaluations to a million.

    python -m benchmarks.archive_scale --evaluations 1000,10000,100000,1000000 [--episodes] [--json] [--pyribs PYTHON] [--folder FOLDER]

Programs are bred from the seed program by the search's own operators and made distinct by one constant each; evaluations have the
objectives, cells, remarks and replicates of a search. ``--episodes`` adds four dialogues and personas to each.

For each size, with an archive of that many evaluations:

- ``summary_s``, ``elites_s``: whole commands in a process of their own; ``command_s`` the same of ``archive --help``
- ``merge_per_s``: an archive of 20,000 others is merged with it into a new file; all written evaluations over all the seconds (opening
  both, checks of values and digests, deduplication of programs, the checkpoint). A merge writes everything again, so the rate of
  the 20,000 alone falls with the size
- ``open_s``: ``Archive.create_or_open``; ``outcomes_s``: the data that a resumed search reads
- ``commit_per_s``: 2,000 commits through ``Archive.add``, grouped as in a search (64 together, or those of a quarter of a second) until the
  last is safe from ``kill -9``; one in twenty proposes a program that is stored already
- ``unflushed_per_s``: the same without the writing; the difference is the cost of durability
- ``bytes``: file size per evaluation; ``memory_mb``: peak resident size of this process so far

``--pyribs`` names a Python with pyribs, whose ``GridArchive`` takes solutions of one number in memory, in batches of 64, without texts or
persistence. The archives are built in bulk, with valid digests.
"""

from __future__ import annotations

import argparse
import json
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
from personaevo.records import Commit, Program

_ADDED, _MERGED = 2_000, 20_000  # timed evaluations
_LONGEST_SECONDS = 0.25  # longest time that a search delays writing, as in evolve.search
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
    """Measure each size and print a line for each."""
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
    parser.add_argument("--evaluations", default="1000,10000,100000", help="sizes, separated by commas")
    parser.add_argument("--episodes", action="store_true", help="four dialogues per evaluation")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pyribs", metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="folder for the archives (default: the system's)")
    return parser.parse_args()


def _measured(folder: Path, size: int, maker: Maker) -> dict[str, Any]:
    stored, more, merged = (folder / f"{name}.duckdb" for name in ("stored", "more", "merged"))
    found: dict[str, Any] = {"evaluations": size, "built_s": _seconds(partial(build, stored, size, maker, 0))}
    found["bytes"] = stored.stat().st_size // size
    for name, words in {"summary": ["summary", str(stored)], "elites": ["elites", str(stored)], "command": ["--help"]}.items():
        found[f"{name}_s"] = min(_seconds(partial(_command, words)) for _ in range(3))
    build(more, _MERGED, maker, 1)
    found["merge_s"] = _seconds(partial(merge, merged, [stored, more]))
    found["merge_per_s"] = round((size + _MERGED) / found["merge_s"])
    merged.unlink()
    return found | _written(stored, maker, _ADDED)


def _written(path: Path, maker: Maker, count: int) -> dict[str, Any]:
    """Times of a writer: opening, resuming, committing."""
    begun = time.perf_counter()
    with Archive.create_or_open(path) as archive:
        found: dict[str, Any] = {"open_s": round(time.perf_counter() - begun, 3)}
        run = archive.run()
        found["outcomes_s"] = _seconds(lambda: archive.outcomes(run.id))
        commits = _some_known(archive, run.id, maker.commits(count, "new"))
        runs = [archive.begin_run(run.settings, run.cells, archive.scoring(run.id)).id for _ in range(2)]
        found["commit_per_s"] = round(count / _seconds(partial(_committed, archive, runs[0], commits)))
        archive.publish_snapshot()
        found["unflushed_per_s"] = round(count / _seconds(partial(_prepared, archive, runs[1], commits)))
    return found


def _some_known(archive: Archive, run: int, commits: Iterator[Commit]) -> list[Commit]:
    """The commits, one in twenty with a program that the archive has."""
    known = iter(archive.commits(run, range(1, _ADDED // 20 + 1)))
    return [_as_known(one, next(known).candidate.program) if one.candidate.number % 20 == 19 else one for one in commits]


def _as_known(commit: Commit, program: Program) -> Commit:
    assert commit.evaluation is not None
    return replace(
        commit, candidate=replace(commit.candidate, program=program), evaluation=replace(commit.evaluation, program_id=program.id)
    )


def _committed(archive: Archive, run: int, commits: Sequence[Commit]) -> None:
    flushed = time.monotonic()
    for commit in commits:
        archive.add(run, commit)
        if time.monotonic() - flushed > _LONGEST_SECONDS:
            archive.flush()
            flushed = time.monotonic()
    archive.flush()


def _prepared(archive: Archive, run: int, commits: Sequence[Commit]) -> None:
    """All work of a commit except the writing."""
    for some in _parts(commits, 63):
        for commit in some:
            archive.add(run, commit)
        archive._waiting.clear()


def _parts(commits: Sequence[Commit], count: int) -> Iterator[Sequence[Commit]]:
    for first in range(0, len(commits), count):
        yield commits[first : first + count]


def _command(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "personaevo", "archive", *words], check=True, stdout=subprocess.DEVNULL)


def _pyribs(python: str, count: int) -> int:
    done = subprocess.run([python, "-c", _PYRIBS, str(count)], check=True, stdout=subprocess.PIPE, text=True)
    return round(float(done.stdout))


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


if __name__ == "__main__":
    main()

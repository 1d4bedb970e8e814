"""Effect of programs that do not terminate on others: ``python -m benchmarks.looping [--candidates 64] [--jobs 2] [--share 8] [--json]``.

Two searches over the same healthy programs, in which every candidate is a different text of the seed program without breeding; in the
second one, every ``--share``-th candidate does not terminate: it loops while it is loaded, in every call, or in some, or sleeps
(``--stuck``). Reported are healthy candidates per second, from the first request to the last result, and their ratio; the same ratio by
the processor time of all processes, which does not depend on other load; how many non-terminating programs are marked as such, and how
many healthy ones are marked wrongly. ``--plan`` is tasks × personas, ``--rounds`` the number of repetitions of both in turn; medians are
reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.models import below
from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.content import root
from personaevo.evolve.loop import Proposal, SearchLoop
from personaevo.evolve.search import search
from personaevo.programs.source import make_program
from personaevo.records import Program

_AT = "def generate("
_LOOP, _SLEEP = "while True: pass", "held = __import__('enum').sys.modules['_thread'].allocate_lock(); held.acquire(); held.acquire()"
_TOLD = ("processor time limit", "sleep limit", "time limit")


@dataclass(frozen=True)
class Found:
    """One search: healthy candidates and their seconds, those that do not terminate, and how many of each are marked as not terminating."""

    healthy: int
    seconds: float
    processor: float  # seconds
    endless: int
    marked: int
    wrongly: int

    @property
    def rate(self) -> float:
        """Healthy candidates per second."""
        return self.healthy / self.seconds


def main() -> None:
    """Run both searches and print the comparison."""
    options = _options()
    programs = [_healthy(number) for number in range(options.candidates)]
    mixed = _mixed(programs, options.share, _SLEEP if options.stuck else _LOOP)
    rounds = [(_searched(programs, options), _searched(mixed, options)) for _ in range(options.rounds)]
    found = {
        "healthy_alone_per_s": round(statistics.median(alone.rate for alone, _ in rounds), 2),
        "healthy_beside_per_s": round(statistics.median(beside.rate for _, beside in rounds), 2),
        "ratio": round(statistics.median(beside.rate / alone.rate for alone, beside in rounds), 3),
        "ratio_by_processor_time": round(statistics.median(alone.processor / beside.processor for alone, beside in rounds), 3),
        "endless": rounds[0][1].endless, "marked": min(beside.marked for _, beside in rounds),
        "wrongly_marked": max(alone.wrongly + beside.wrongly for alone, beside in rounds),
    }  # fmt: skip
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=64, help="healthy candidates")
    parser.add_argument("--share", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--lag", type=int, default=4)
    parser.add_argument("--plan", default="10x5", help="TASKSxPERSONAS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stuck", action="store_true", help="programs sleep instead of looping")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _healthy(number: int) -> Program:
    return make_program(_source() + f"\nNUMBER = {number}\n")


def _source() -> str:
    return (root("seeds") / "program.py").read_text(encoding="utf-8")


def _endless(number: int, wait: str) -> Program:
    """One of three kinds, by its number."""
    name = f"\nENDLESS = {number}\n"
    if number % 3 == 0:
        return make_program(f"{_source()}{name}{wait}\n")
    when = "True" if number % 3 == 1 else "rng.random() < 0.3"
    return make_program(_source().replace(_AT, "def _made(") + f"""{name}
def generate(task, n, rng, model=None):
    if {when}:
        {wait}
    return _made(task, n, rng, model)
""")


def _mixed(programs: Sequence[Program], share: int, wait: str) -> list[Program]:
    """One in ``share`` does not terminate; the first place is the seed program's."""
    found: list[Program] = []
    for number, program in enumerate(programs):
        found.append(program)
        if number % (share - 1) == share - 2:
            found.append(_endless(number, wait))
    return found


def _searched(programs: Sequence[Program], options: argparse.Namespace) -> Found:
    tasks, personas = map(int, options.plan.split("x"))
    times: list[tuple[float, float]] = []

    def proposal(_: SearchLoop, number: int) -> tuple[Proposal, tuple[()]]:
        times[:] = times or [(time.monotonic(), _processor())]
        return Proposal(programs[number], (), "fixed"), ()

    looped = SearchLoop.loop

    def loop(running: SearchLoop) -> None:
        looped(running)
        times.append((time.monotonic(), _processor()))

    with tempfile.TemporaryDirectory() as folder, patch.object(SearchLoop, "_proposal", proposal), patch.object(SearchLoop, "loop", loop):
        path = Path(folder) / "a.duckdb"
        search(SearchConfig(
            archive=path, candidates=len(programs), jobs=options.jobs, lag=options.lag, task_count=tasks, personas=personas,
            finalists=1, test_tasks=2, test_personas=1, people_draws=2,
        ))  # fmt: skip
        return _read(path, times[1][0] - times[0][0], times[1][1] - times[0][1])


def _processor() -> float:
    """Processor seconds of this process and its descendants, reaped children included."""
    sums = 0
    for process in below(os.getpid()):
        with suppress(OSError):
            sums += sum(map(int, Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:15]))
    return sums / os.sysconf("SC_CLK_TCK")


def _read(path: Path, seconds: float, processor: float) -> Found:
    with Archive.read(path) as archive:
        candidates = [commit.candidate for commit in archive.commits(archive.run().id)]
    endless = [one for one in candidates if "ENDLESS" in one.program.source]
    others = [one for one in candidates if "ENDLESS" not in one.program.source]
    marked = [one for one in candidates if (one.reason or "").startswith(_TOLD)]
    hit = sum(one in endless for one in marked)
    return Found(len(others), seconds, processor, len(endless), hit, len(marked) - hit)


if __name__ == "__main__":
    main()

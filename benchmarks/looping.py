"""What programs that never end cost the others: ``python -m benchmarks.looping [--candidates 64] [--jobs 2] [--share 8] [--json]``.

Two searches over the same healthy programs, bred from none, in which every candidate is a different text of the seed program; in the second
one candidate in ``--share`` comes between them that never ends: it loops in its first call, in its last, or while it is loaded, or sleeps
(``--stuck``). Reported are healthy candidates a second from when the first is asked for until the last one is told, their ratio, how many
that do not end are marked as such, and how many healthy ones are marked although they do end. ``--plan`` are tasks × personas.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.content import root
from personaevo.evolve.search import Proposal, Search, search
from personaevo.programs.source import make_program
from personaevo.records import Program

_AT = "def generate("
_LOOP, _SLEEP = "while True: pass", "held = __import__('enum').sys.modules['_thread'].allocate_lock(); held.acquire(); held.acquire()"
_TOLD = ("processor time limit", "sleep limit", "time limit")


@dataclass(frozen=True)
class Found:
    """One search: healthy candidates and their seconds, those that do not end, and how many of either are marked as if they did not."""

    healthy: int
    seconds: float
    endless: int
    marked: int
    wrongly: int
    digest: str

    @property
    def rate(self) -> float:
        """Healthy candidates a second."""
        return self.healthy / self.seconds


def main() -> None:
    """Both searches, and what they say beside each other."""
    options = _options()
    programs = [_healthy(number) for number in range(options.candidates)]
    mixed = _mixed(programs, options.share, _SLEEP if options.stuck else _LOOP)
    alone, beside = (_searched(some, options) for some in (programs, mixed))
    found = {
        "healthy_alone_per_s": round(alone.rate, 2), "healthy_beside_per_s": round(beside.rate, 2),
        "ratio": round(beside.rate / alone.rate, 3), "endless": beside.endless, "marked": beside.marked,
        "wrongly_marked": alone.wrongly + beside.wrongly,
    }  # fmt: skip
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=64, help="healthy ones")
    parser.add_argument("--share", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--lag", type=int, default=4)
    parser.add_argument("--plan", default="10x5", help="TASKSxPERSONAS")
    parser.add_argument("--stuck", action="store_true", help="they sleep, in place of looping")
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
    when = "True" if number % 3 == 1 else "len(CALLED) == 4"
    return make_program(_source().replace(_AT, "CALLED = []\ndef _made(") + f"""{name}
def generate(task, n, rng, model=None):
    CALLED.append(n)
    if {when}:
        {wait}
    return _made(task, n, rng, model)
""")


def _mixed(programs: Sequence[Program], share: int, wait: str) -> list[Program]:
    """One in ``share`` does not end; the first is the seed program's place."""
    found: list[Program] = []
    for number, program in enumerate(programs):
        found.append(program)
        if number % (share - 1) == share - 2:
            found.append(_endless(number, wait))
    return found


def _searched(programs: Sequence[Program], options: argparse.Namespace) -> Found:
    tasks, personas = map(int, options.plan.split("x"))
    ends: list[float] = []

    def proposal(_: Search, number: int) -> tuple[Proposal, tuple[()]]:
        ends[:] = ends or [time.monotonic()]
        return Proposal(programs[number], (), "fixed"), ()

    asked, looped = Search._proposal, Search.loop

    def loop(hunt: Search) -> None:
        looped(hunt)
        ends.append(time.monotonic())

    setattr(Search, "_proposal", proposal)  # noqa: B010 - for the checker of types
    setattr(Search, "loop", loop)  # noqa: B010
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.duckdb"
        try:
            result = search(SearchConfig(
                archive=path, candidates=len(programs), jobs=options.jobs, lag=options.lag, task_count=tasks, personas=personas,
                finalists=1, test_tasks=2, test_personas=1, people_draws=2,
            ))  # fmt: skip
        finally:
            setattr(Search, "_proposal", asked)  # noqa: B010
            setattr(Search, "loop", looped)  # noqa: B010
        return _read(path, ends[1] - ends[0], result.digest)


def _read(path: Path, seconds: float, digest: str) -> Found:
    with Archive.read(path) as archive:
        candidates = [commit.candidate for commit in archive.commits(archive.run().id)]
    endless = [one for one in candidates if "ENDLESS" in one.program.source]
    others = [one for one in candidates if "ENDLESS" not in one.program.source]
    marked = [one for one in candidates if (one.reason or "").startswith(_TOLD)]
    hit = sum(one in endless for one in marked)
    return Found(len(others), seconds, len(endless), hit, len(marked) - hit, digest)


if __name__ == "__main__":
    main()

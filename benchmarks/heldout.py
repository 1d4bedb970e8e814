"""Evolved programs against the average person, the seed program and random search, on held-out tasks and people.

    python -m benchmarks.heldout [--domains service,charity,camping] [--seeds 1,2,3,4,5] [--candidates N] [--jobs 2] [--keep FOLDER]

Random search is the control: the same operators without the judge's remarks, random parents, and the same finals. Differences are paired
over the seeds (Student); within one search the final table has its own interval for the difference to the average person. ``--keep`` stores
the archives for other benchmarks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from personaevo.config import SearchConfig
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.search import search
from personaevo.judge.objectives import SCORE, steering
from personaevo.measure.stats import paired_difference

AVERAGE_AT_MOST, EVOLVED_EACH, EVOLVED_MEAN, GAIN = 0.15, 0.50, 0.60, 0.40
Scores = Mapping[str, Mapping[str, float]]


def main() -> None:
    """Print each pair of searches, and per domain the means, paired differences and targets met."""
    options = _options()
    means = []
    for domain in options.domains.split(","):
        found = []
        for seed in map(int, options.seeds.split(",")):
            result, control = _pair(domain, seed, options)
            found.append(_scores(result, control))
            print(_line(domain, seed, result, found[-1]), flush=True)
        means.append(_verdict(domain, found))
    total = float(np.mean(means))
    print(f"== all: {_held(total >= EVOLVED_MEAN)} evolved {total:.3f} on average over the domains, at least {EVOLVED_MEAN:.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--candidates", type=int, default=SearchConfig().candidates)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    return parser.parse_args()


def _pair(domain: str, seed: int, options: argparse.Namespace) -> tuple[SearchResult, SearchResult]:
    """The default search, and random search from the same seed."""
    place: Any = nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as folder:
        paths = [Path(folder) / f"{kind}-{domain}-{seed}.duckdb" for kind in ("evolved", "random")]
        common = SearchConfig(domain=domain, seed=seed, candidates=options.candidates, jobs=options.jobs, archive=paths[0])
        return search(common), search(common.model_copy(update={"selection": "random", "archive": paths[1], "people_draws": 2}))


def _scores(found: SearchResult, control: SearchResult) -> Scores:
    """Held-out measures by row; "random" is the best program of random search."""
    rows = {row.row: {name: measure.mean for name, measure in row.measures.items()} for row in found.table}
    best = next(row for row in control.table if row.row == "evolved")
    return {**rows, "random": {name: measure.mean for name, measure in best.measures.items()}}


def _line(domain: str, seed: int, found: SearchResult, scores: Scores) -> str:
    headline = next(one for one in found.comparisons if one.against == "average_person" and one.objective == SCORE)
    said = "  ".join(f"{row} {values[SCORE]:.3f}" for row, values in scores.items() if SCORE in values)
    return f"{domain} {seed}: {said}  headline {headline.mean:+.3f} [{headline.low:+.3f}, {headline.high:+.3f}]  ({found.seconds:.0f} s)"


def _verdict(domain: str, found: Sequence[Scores]) -> float:
    """Print means by row and objective, and the targets met; return the mean of the evolved programs."""
    print(f"== {domain}: means of {len(found)} seeds, held out")
    for row in found[0]:
        names = [name for name in (SCORE, *steering(), "task_preservation", "overlap", "chamfer", "auditor") if name in found[0][row]]
        values = "  ".join(f"{name} {np.mean([one[row][name] for one in found]):.3f}" for name in names)
        print(f"   {row:15} {values}")
    of = {row: [one[row][SCORE] for one in found] for row in found[0] if SCORE in found[0][row]}
    evolved, average = (float(np.mean(of[row])) for row in ("evolved", "average_person"))
    print(f"   {_held(average <= AVERAGE_AT_MOST)} average person {average:.3f}, at most {AVERAGE_AT_MOST}")
    among = f"seeds from {min(of['evolved']):.3f} to {max(of['evolved']):.3f}"
    print(f"   {_held(evolved >= EVOLVED_EACH)} evolved {evolved:.3f} ({among}), at least {EVOLVED_EACH}")
    for row, least in (("average_person", GAIN), ("seed_program", 0.0), ("random", 0.0)) if len(found) > 1 else ():
        mean, low, high = paired_difference(of["evolved"], of[row])
        held = _held(mean >= least and low > 0)
        print(f"   {held} above {row} by {mean:+.3f} [{low:+.3f}, {high:+.3f}], at least {least:.2f}", flush=True)
    return evolved


def _held(holds: bool) -> str:
    return "holds " if holds else "FAILS "


if __name__ == "__main__":
    main()

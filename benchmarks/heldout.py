"""Do evolved programs beat the persona-free simulator, the seed program and random search, on held-out tasks and people?

    python -m benchmarks.heldout [--domains service,charity,camping] [--seeds 1,2,3,4,5] [--candidates 100] [--jobs 2]

Random search is the control: the same operators without the judge's remarks, parents by chance, and the same finals.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from personaevo.config import SearchConfig
from personaevo.evolve.search import SearchResult, search
from personaevo.measure.stats import paired_difference

ROWS = ("humans", "evolved", "random", "seed_program", "persona_free")
LEAST, LEAST_GAIN = 0.90, 0.40


def main() -> None:
    """Prints each pair of searches, and per domain the means and paired differences with what holds of the targets."""
    options = _options()
    for domain in options.domains.split(","):
        pairs = []
        for seed in map(int, options.seeds.split(",")):
            pairs.append(_pair(domain, seed, options.candidates, options.jobs))
            print(_line(domain, seed, *pairs[-1]), flush=True)
        print(_verdict(domain, [_scores(*pair) for pair in pairs]), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def _pair(domain: str, seed: int, candidates: int, jobs: int) -> tuple[SearchResult, SearchResult]:
    """The default search, and random search from the same seed."""
    with tempfile.TemporaryDirectory() as folder:
        common = SearchConfig(domain=domain, seed=seed, candidates=candidates, jobs=jobs, archive=Path(folder) / "evolved.duckdb")
        control = common.model_copy(update={"selection": "random", "archive": Path(folder) / "random.duckdb"})
        return search(common), search(control)


def _scores(found: SearchResult, control: SearchResult) -> dict[str, float]:
    """Held-out score by row."""
    rows = {row.row: row.measures["score"].mean for row in found.table}
    return {**rows, "random": next(row.measures["score"].mean for row in control.table if row.row == "evolved")}


def _line(domain: str, seed: int, found: SearchResult, control: SearchResult) -> str:
    scores = _scores(found, control)
    episodes = f"episodes {found.episodes} and {control.episodes}; {found.seconds:.0f} and {control.seconds:.0f} s"
    planned = {measure.planned for result in (found, control) for row in result.table for measure in row.measures.values()}
    return f"{domain} {seed}: " + "  ".join(f"{row} {scores[row]:.3f}" for row in ROWS) + f"  ({episodes}; each row over {planned})"


def _verdict(domain: str, scores: Sequence[dict[str, float]]) -> str:
    """Means by row, and what of the targets holds."""
    means = {row: float(np.mean([one[row] for one in scores])) for row in ROWS}
    lines = [f"== {domain}: mean held-out score of {len(scores)} seeds: " + "  ".join(f"{row} {means[row]:.3f}" for row in ROWS)]
    lines.append(f"   {_held(means['evolved'] >= LEAST)}  evolved {means['evolved']:.3f}, at least {LEAST:.2f}")
    gain = means["evolved"] - means["persona_free"]
    lines.append(f"   {_held(gain >= LEAST_GAIN)}  above persona-free by {gain:.3f}, at least {LEAST_GAIN:.2f}")
    for row in ("seed_program", "random") if len(scores) > 1 else ():
        mean, low, high = paired_difference([one["evolved"] for one in scores], [one[row] for one in scores])
        lines.append(f"   {_held(low > 0)}  above {row} by {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
    return "\n".join(lines)


def _held(holds: bool) -> str:
    return "holds " if holds else "FAILS "


if __name__ == "__main__":
    main()

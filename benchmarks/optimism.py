"""Optimism of the search score that is shown for the best program.

    python -m benchmarks.optimism [--domain service] [--seeds 1,...,10] [--candidates N] [--fresh 10] [--jobs 2]

For each search the winner of the finals is played again on the same tasks with new seeds. Compared with the mean there: the raw search
score of the best program, the raw finals' score, and the expected scores that are shown (``ranking.expected``).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.aa import fresh, without_text
from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.ranking import Scored, best_of, expected, holds_floors
from personaevo.evolve.search import search
from personaevo.evolve.table import expected_score, winner
from personaevo.judge.objectives import SCORE
from personaevo.measure.stats import student_factor
from personaevo.workers import Workers

COLUMNS = ("search", "search, expected", "finals", "finals, expected")


def main() -> None:
    """Print a line for each search, and the mean optimism of each shown score with its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--seeds", default=",".join(map(str, range(1, 11))))
    parser.add_argument("--candidates", type=int, default=SearchConfig().candidates)
    parser.add_argument("--fresh", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    found = []
    for seed in map(int, options.seeds.split(",")):
        config = SearchConfig(domain=options.domain, seed=seed, candidates=options.candidates, jobs=options.jobs, people_draws=2)
        found.append(one(config, options.fresh))
        said = "  ".join(f"{name} {value:+.3f}" for name, value in zip(COLUMNS, found[-1], strict=True))
        print(f"{options.domain} {seed}: {said}", flush=True)
    table = np.array(found)
    for name, values in zip(COLUMNS, table.T, strict=True):
        half = student_factor(len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        low, high = values.mean() - half, values.mean() + half
        print(f"== {options.domain}: {name:18} promises {values.mean():+.3f} too much [{low:+.3f}, {high:+.3f}]")


def one(config: SearchConfig, count: int) -> list[float]:
    """The difference of each shown score to the mean on new seeds."""
    with tempfile.TemporaryDirectory() as folder, Workers(config.jobs) as workers:
        made = config.model_copy(update={"archive": Path(folder) / "a.duckdb"})
        result = search(made)
        bench = prepare(made, workers)
        with Archive.read(result.archive) as archive:
            run = archive.run()
            finals = archive.finals(run.id)
            scored = [
                Scored(commit.evaluation.program_id, commit.evaluation) for commit in archive.commits(run.id)
                if commit.evaluation is not None and commit.candidate.state == "evaluated" and holds_floors(commit.evaluation, bench.floors)
            ]  # fmt: skip
            sources = archive.sources([one.program_id for one in scored])
        best, won = best_of(scored), winner(finals, bench.floors)
        score = best.evaluation.objectives[SCORE]
        shown = expected(score.value, score.se, [one.score for one in scored])
        before = _mean(bench, workers, sources[best.program_id], count)
        after = _mean(bench, workers, sources[won.program_id], count)
    return [score.value - before, shown - before, won.objectives[SCORE].value - after, expected_score(finals, won) - after]


def _mean(bench: EvaluationSetup, workers: Workers, source: str, count: int) -> float:
    """Mean score of a program over new seeds of the finals' plan."""
    works = [bench.rollout(source, fresh(bench.final_plan, number)) for number in range(count)]
    return float(np.mean([bench.score("", episodes)[0].objectives[SCORE].value for episodes in workers.map(without_text, works)]))


if __name__ == "__main__":
    main()

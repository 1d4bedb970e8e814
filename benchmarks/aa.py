"""Coverage of the final table's 95 % intervals of the long-run mean, over people and ``generate`` calls together.

    python -m benchmarks.aa [--domain service] [--archive FILE] [--splits 20] [--seeds 20] [--jobs 2]

One program is scored over many splits of the people in two halves (each with its own judge, cells and levels), and in each with many
seeds of generation and episodes. The long-run mean is the mean of all. People's consistency is one figure of the corpus, the same in all
splits, so its error, which the table's intervals include, is left out (``--whole`` keeps it). Intervals are those of the final table
(``judge.uncertainty``). Seeds of one split share its people, so the interval of the coverage is clustered by split (Student over splits).
The program is the archive's best, by default that of the packaged archive.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.attacks_on_fitness import evolved_program
from personaevo import content
from personaevo.config import SearchConfig
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import Plan, Rollout, roll_out
from personaevo.judge.objectives import SCORE, steering
from personaevo.judge.uncertainty import interval, joined, point, world
from personaevo.measure.stats import student_factor
from personaevo.records import Episode, PlanItem, Program
from personaevo.simulate.turns import seed_of
from personaevo.workers import Workers

NAMES = (SCORE, *steering())
Found = tuple[float, float, float]  # value, low, high


def main() -> None:
    """Print a line for each objective."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="include the error of people's consistency")
    options = parser.parse_args()
    program = evolved_program(SearchConfig(), options.archive or content.archives()[options.domain])
    found: dict[str, list[list[Found]]] = {name: [] for name in NAMES}
    with Workers(options.jobs) as workers:
        for split in range(options.splits):
            bench = prepare(SearchConfig(domain=options.domain, seed=1000 + split), workers)
            bench = bench if options.whole else _without_its_error(bench)
            for name, intervals in scored(bench, workers, program, options.seeds).items():
                found[name].append(intervals)
            print(f"split {split + 1} of {options.splits}", end="\r", flush=True)
    report(options.domain, found)


def _without_its_error(bench: EvaluationSetup) -> EvaluationSetup:
    """The same with people's consistency treated as known."""
    known = bench.test.agreement
    if known is None:
        return bench
    sure = known.model_copy(update={"se": 0.0, "low": known.value, "high": known.value})
    return replace(bench, setting=replace(bench.setting, scorer=replace(bench.test, agreement=sure)))


def scored(bench: EvaluationSetup, workers: Workers, program: Program, seeds: int) -> dict[str, list[Found]]:
    """Value and interval of each objective for every seed, in one split of the people."""
    works = [bench.rollout(program.source, fresh(bench.test_plan, number)) for number in range(seeds)]
    rows = {str(number): episodes for number, episodes in enumerate(workers.map(without_text, works))}
    n, calls = len(bench.test_plan.items), len(bench.test_plan.tasks)
    shares, _ = point(bench.setting, rows, n)
    draws = joined(workers.map(partial(world, bench.setting, rows, n), range(bench.people_draws)))
    values = {name: [float(shares[row][name][0]) for row in rows] for name in NAMES}
    return {
        name: [(value, *interval(value, draws[row][name], calls)) for row, value in zip(rows, values[name], strict=True)] for name in NAMES
    }


def fresh(plan: Plan, number: int) -> Plan:
    """The same tasks and slots with other seeds of generation and episodes; the dialogues of a persona stay together."""
    items = (PlanItem(item.task_id, item.slot, seed_of("aa", number, item.seed)) for item in plan.items)
    return replace(plan, seed=seed_of("aa", number), items=tuple(items))


def without_text(work: Rollout) -> tuple[Episode, ...]:
    """Episodes without the data that scoring does not need, to reduce transfer between processes."""
    return tuple(replace(episode, turns=(), persona=None) for episode in roll_out(work))


def report(domain: str, found: Mapping[str, Sequence[Sequence[Found]]]) -> None:
    """The coverage of the mean of all, with its interval over splits."""
    print(f"{domain:10}{'mean':>16}{'sd':>8}{'half width':>12}{'held':>8}   95 % interval of the rate, clustered by split")
    for name, splits in found.items():
        table = np.array(splits)  # [splits, seeds, value/low/high]
        mean = table[..., 0].mean()
        held = ((table[..., 1] <= mean) & (mean <= table[..., 2])).mean(axis=1)
        half = student_factor(len(held) - 1) * float(held.std(ddof=1)) / len(held) ** 0.5
        rate, width = float(held.mean()), float((table[..., 2] - table[..., 1]).mean() / 2)
        verdict = "holds 95 %" if rate - half <= 0.95 <= rate + half else "DOES NOT HOLD 95 %"
        print(f"{name:16}{mean:10.3f}{table[..., 0].std():8.3f}{width:12.3f}{rate:8.3f}   [{rate - half:.3f}, {rate + half:.3f}] {verdict}")


if __name__ == "__main__":
    main()

"""A/A test: how often the 95 % interval of an evaluation holds the long-run mean of the same program on the same tasks.

    python -m benchmarks.aa [--domains service,charity,camping] [--program ARCHIVE] [--repeats 200] [--jobs 2] [--seed 1] [--split test]

The same program, tasks, reference and judge, evaluated again and again with fresh generation and episode seeds, by default on the
final table's plan (``--split train``: the search's). The long-run mean is the mean of all evaluations. Each domain's seed program is
tested, and its evolved one: that of the archive given, else of a search made for this. A capped value that is always 1 is always held.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.plan import Plan
from personaevo.evolve.prepare import Bench, prepare
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.search import search
from personaevo.measure.stats import student_factor
from personaevo.records import Episode, Evaluation, PlanItem, Program
from personaevo.simulate.episodes import seed_of
from personaevo.workers import Workers

NAMES = ("score", "human_likeness", "coverage")
LEAST, MOST = 0.90, 0.98


def main() -> None:
    """Prints a line for each program and objective."""
    options = _options()
    print(f"{'':26}{'objective':17}{'mean':>7}{'sd':>8}{'mean se':>9}{'held':>7}")
    for domain in options.domains.split(","):
        config = SearchConfig(domain=domain, seed=options.seed, jobs=options.jobs)
        with Workers(options.jobs) as workers:
            bench = prepare(config, workers)
            evolved = _best_of(options.program) if options.program else _evolved(config)
            for name, program in (("seed program", bench.seed_program), ("evolved", evolved)):
                _report(f"{domain}, {name}", _repeated(bench, workers, program, options.split, options.repeats), bench, options.split)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--program", type=Path, metavar="ARCHIVE")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=["train", "test"], default="test")
    return parser.parse_args()


def _evolved(config: SearchConfig) -> Program:
    with tempfile.TemporaryDirectory() as folder:
        return search(config.model_copy(update={"archive": Path(folder) / "a.duckdb"})).best


def _best_of(path: Path) -> Program:
    with Archive.read(path) as archive:
        key = next(row.program_id for row in archive.table(archive.run().id) if row.row == "evolved" and row.program_id)
        return Program(key, archive.sources([key])[key])


def _repeated(bench: Bench, workers: Workers, program: Program, split: str, repeats: int) -> list[Evaluation]:
    """Evaluations that differ in the seeds of generation and episodes only."""
    plan, panel = (bench.test_plan, bench.test) if split == "test" else (bench.train_plan, bench.train)
    played = workers.map(_measured, [bench.rollout(program.source, _fresh(plan, number)) for number in range(repeats)])
    return [panel.score(program.id, episodes)[0] for episodes in played]


def _fresh(plan: Plan, number: int) -> Plan:
    """The same tasks and slots with other seeds."""
    items = (PlanItem(item.task_id, item.slot, seed_of("aa", number, item.task_id, item.slot)) for item in plan.items)
    return replace(plan, seed=seed_of("aa", number), items=tuple(items))


def _measured(work: Rollout) -> tuple[Episode, ...]:
    """Episodes without what scoring does not need, which would only travel between processes."""
    return tuple(replace(episode, turns=(), persona=None) for episode in roll_out(work))


def _report(title: str, evaluations: Sequence[Evaluation], bench: Bench, split: str) -> None:
    calls = len((bench.test_plan if split == "test" else bench.train_plan).tasks)
    for name in NAMES:
        values = np.array([one.objectives[name].value for one in evaluations])
        errors = np.array([one.objectives[name].se for one in evaluations])
        held = float(np.mean(np.abs(values - values.mean()) <= student_factor(calls - 1) * errors + 1e-12))
        note = "" if name != "score" else "   holds" if LEAST <= held <= MOST else f"   FAILS: expected {LEAST:.2f} to {MOST:.2f}"
        print(f"{title:26}{name:17}{values.mean():7.3f}{values.std(ddof=1):8.4f}{errors.mean():9.4f}{held:7.3f}{note}", flush=True)


if __name__ == "__main__":
    main()

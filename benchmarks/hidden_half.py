"""Does the result of a search generalize to behaviors that it did not measure?

    python -m benchmarks.hidden_half [--domains service,charity,camping] [--seed 1] [--candidates N]

The search uses ten of the nineteen features for judge, cells, distance, consistency and remarks. Its best program is then scored on
held-out tasks and people by the other nine, with the average person, the seed program, and the best program of a search with all
nineteen. The seed selects the ten. Everything runs in this process.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import controls
from personaevo.evolve import prepare as preparing
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.prepare import prepare
from personaevo.evolve.rollout import make_plan, play
from personaevo.evolve.search import search
from personaevo.evolve.table import play_finals, winner
from personaevo.judge.objectives import SCORE, steering
from personaevo.records import FinalTable, TableRow
from personaevo.reference import Reference
from personaevo.workers import Workers

SEEN = 10


@contextmanager
def only(names: Sequence[str]) -> Iterator[None]:
    """Measure and compare these features alone while the block runs."""
    whole, load = definitions.features(), preparing.load_people
    part = replace(whole, features=tuple(one for one in whole.features if one.name in names))

    def people(config: SearchConfig) -> Reference:
        with mock.patch.object(definitions, "features", lambda: whole):  # references have all nineteen
            found = load(config)
        kept = [found.names.index(name) for name in part.names]
        return replace(found, names=part.names, values=found.values[:, kept])

    with mock.patch.object(definitions, "features", lambda: part), mock.patch.object(preparing, "load_people", people):
        yield


def main() -> None:
    """Print a table for each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candidates", type=int, default=SearchConfig().candidates)
    options = parser.parse_args()
    names = list(definitions.features().names)
    seen = sorted(random.Random(options.seed).sample(names, SEEN), key=names.index)
    hidden = [name for name in names if name not in seen]
    for domain in options.domains.split(","):
        config = SearchConfig(domain=domain, seed=options.seed, candidates=options.candidates, jobs=1, people_draws=2)
        with only(seen):
            half = _best(config)
        report(domain, config, hidden, {"evolved on the ten": half, "evolved on all": _best(config)})
    print(f"seen: {', '.join(seen)}; hidden: {', '.join(hidden)}")


def _best(config: SearchConfig) -> str:
    """The source of the finals' winner; the final table is not made, as its auditor needs all features."""

    def table(running: SearchLoop) -> FinalTable:
        best = [running.state.asked[one.program_id] for one in running.state.held.top(running.config.finalists)]
        finals = play_finals(running.setup, running.workers, best)
        return FinalTable((TableRow("evolved", winner(finals, running.setup.floors).program_id, {}),))

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(SearchLoop, "table", table):
        return search(config.model_copy(update={"archive": Path(folder) / "a.duckdb"})).best.source


def report(domain: str, config: SearchConfig, hidden: Sequence[str], found: dict[str, str]) -> None:
    """Scores on the hidden features; the average person is average in all of them."""
    steering_half = reference.split(preparing.load_people(config), config.seed)[0].values
    plan = make_plan(
        preparing.load_tasks(config)["test"], at_most=config.test_tasks, personas=config.test_personas, seed=config.seed, purpose="test"
    )
    average = controls.personas("average_person", steering_half, plan)
    with only(hidden), Workers(1) as workers:
        bench = prepare(config, workers)
        programs = {**found, "seed program": bench.seed_program.source}
        works = {name: bench.rollout(source, plan) for name, source in programs.items()}
        works["average person"] = bench.rollout(None, plan, personas=average)
        print(f"== {domain}, judged on {len(hidden)} features that the search did not see")
        for name, episodes in zip(works, play(workers, list(works.values())), strict=True):
            objectives = bench.test.score(name, episodes)[0].objectives
            print(f"   {name:20}" + "  ".join(f"{key} {objectives[key].value:.3f}" for key in (SCORE, *steering())), flush=True)


if __name__ == "__main__":
    main()

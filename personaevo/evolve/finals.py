"""The finals: the best programs of the search are scored again on episodes that selected nothing, and the best of them there is the result.

The best of a hundred scores is partly luck; on fresh episodes the luck is gone (compare re-evaluated elites in noisy evolution).
"""

from __future__ import annotations

from collections.abc import Sequence

from personaevo.crew import Crew
from personaevo.evolve import select
from personaevo.evolve.prepare import Bench
from personaevo.evolve.rollout import play
from personaevo.evolve.select import Scored
from personaevo.records import Evaluation, Program
from personaevo.workers import Workers


def play_finals(bench: Bench, workers: Workers | Crew, finalists: Sequence[Program]) -> list[Evaluation]:
    """Each finalist's evaluation on the final plan: train tasks, the people that steer the search, fresh seeds."""
    played = play(workers, [bench.rollout(program.source, bench.final_plan) for program in finalists])
    return [bench.score(program.id, episodes)[0] for program, episodes in zip(finalists, played, strict=True)]


def finalists_of(population: Sequence[Scored], count: int) -> list[Scored]:
    """The ``count`` best programs by the lower bound of their score, the best first (the earlier one on ties)."""
    return sorted(population, key=select.lower_bound, reverse=True)[:count]


def winner(evaluations: Sequence[Evaluation], floor: float) -> Evaluation:
    """The best score among those that hold the floor of task preservation (among all, if none does); the earlier one on ties."""
    holding = [one for one in evaluations if one.objectives["task_preservation"].value >= floor]
    return max(holding or evaluations, key=lambda one: one.objectives["score"].value)

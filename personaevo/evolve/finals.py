"""The finals and the final table.

In the finals the best programs of the search are re-evaluated on fresh episodes, and the best of them is the result. The best of a hundred
noisy scores is biased upward; re-evaluation removes the bias (as re-evaluated elites in noisy evolution).

The table's rows are people, the persona-free simulator, controls, the seed program and the best evolved program. All rows except the last
are independent of the search and take most of the time, since a judge is trained for each bootstrap sample of people. They are therefore
computed once for equal tasks, people and settings, and cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from personaevo.crew import WorkerPool
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import Scored, corrected, expected, holds_floors, standing
from personaevo.evolve.rollout import play
from personaevo.judge.objectives import SCORE
from personaevo.records import Evaluation, Program


def play_finals(setup: EvaluationSetup, workers: WorkerPool, finalists: Sequence[Program]) -> list[Evaluation]:
    """Evaluate each finalist on the final plan: train tasks, the people that steer the search, fresh seeds."""
    played = play(workers, [setup.rollout(program.source, setup.final_plan) for program in finalists])
    return [setup.score(program.id, episodes)[0] for program, episodes in zip(finalists, played, strict=True)]


def likeliest(population: Sequence[Scored], count: int, prior: Mapping[str, Evaluation]) -> list[Scored]:
    """The ``count`` programs with the highest corrected scores, best first (``ranking.corrected``): they combine the model's few dialogues,
    which alone are too noisy, with the dialogues on the surrogate (``prior``)."""
    if not population:
        return []
    likely = corrected([prior[one.program_id] for one in population], [one.evaluation for one in population])
    return [one for _, one in sorted(zip(likely, population, strict=True), key=lambda pair: -pair[0])][:count]


def winner(evaluations: Sequence[Evaluation], floors: Mapping[str, float]) -> Evaluation:
    """The evaluation with the best standing among those that hold the floors (among all, if none does); the earlier one on ties."""
    holding = [one for one in evaluations if holds_floors(one, floors)]
    return max(holding or evaluations, key=standing)


def expected_score(finals: Sequence[Evaluation], one: Evaluation) -> float:
    """Expected score of a finalist on fresh dialogues (``ranking.expected``), since the winner of five is also biased upward. All finalists
    form the comparison group."""
    score = one.objectives[SCORE]
    return expected(score.value, score.se, [other.objectives[SCORE].value for other in finals], alike_share=1.0)

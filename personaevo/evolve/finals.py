"""The finals: the best programs of the search are scored again on episodes that selected nothing, and the best of them there is the result.

The best of a hundred scores is partly luck; on fresh episodes the luck is gone (compare re-evaluated elites in noisy evolution).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from personaevo.crew import Crew
from personaevo.evolve.prepare import Bench
from personaevo.evolve.ranking import Scored, corrected, expected, holds_floors, standing
from personaevo.evolve.rollout import play
from personaevo.judge.objectives import SCORE
from personaevo.records import Evaluation, Program
from personaevo.workers import Workers


def play_finals(bench: Bench, workers: Workers | Crew, finalists: Sequence[Program]) -> list[Evaluation]:
    """Each finalist's evaluation on the final plan: train tasks, the people that steer the search, fresh seeds."""
    played = play(workers, [bench.rollout(program.source, bench.final_plan) for program in finalists])
    return [bench.score(program.id, episodes)[0] for program, episodes in zip(finalists, played, strict=True)]


def likeliest(population: Sequence[Scored], count: int, prior: Mapping[str, Evaluation]) -> list[Scored]:
    """The ``count`` programs of the highest scores that are likely after both the model's few dialogues and those on a stand-in (``prior``;
    see ``ranking.corrected``), the best first: few dialogues tell good programs apart only by luck."""
    if not population:
        return []
    likely = corrected([prior[one.program_id] for one in population], [one.evaluation for one in population])
    return [one for _, one in sorted(zip(likely, population, strict=True), key=lambda pair: -pair[0])][:count]


def winner(evaluations: Sequence[Evaluation], floors: Mapping[str, float]) -> Evaluation:
    """The best standing among those that hold the floors (among all, if none does); the earlier one on ties."""
    holding = [one for one in evaluations if holds_floors(one, floors)]
    return max(holding or evaluations, key=standing)


def expected_score(finals: Sequence[Evaluation], one: Evaluation) -> float:
    """A finalist's score as it is expected on fresh dialogues (``ranking.expected``): the winner of five is the luckiest of them too. All
    finalists are its like, having been chosen as the best."""
    score = one.objectives[SCORE]
    return expected(score.value, score.se, [other.objectives[SCORE].value for other in finals], alike_share=1.0)

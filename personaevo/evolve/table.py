"""The finals and the final table.

In the finals the best programs of the search are re-evaluated on fresh episodes, and the best of them is the result. The best of a hundred
noisy scores is biased upward; re-evaluation removes the bias (as re-evaluated elites in noisy evolution).

The table's rows are people, the persona-free simulator, controls, the seed program and the best evolved program. All rows except the last
are independent of the search and take most of the time, since a judge is trained for each bootstrap sample of people. They are therefore
computed once for equal tasks, people and settings, and cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from personaevo import cache, definitions, reference
from personaevo.evolve import controls
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import AUDITOR, BEST, FREE, PEOPLE, SEED, Scored, corrected, expected, holds_floors, standing
from personaevo.evolve.rollout import play
from personaevo.judge.objectives import SCORE
from personaevo.judge.uncertainty import (
    Audit,
    Sample,
    Shares,
    World,
    audited,
    chained,
    drawn_world,
    interval,
    joined,
    point_of,
    point_of_people,
    seen,
    tell_apart,
)
from personaevo.measure import dynamics
from personaevo.measure.fingerprint import apply_losses
from personaevo.records import Comparison, Episode, Evaluation, FinalTable, Floats, Measure, Program, TableRow
from personaevo.reference import Reference
from personaevo.workers import WorkerPool


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


_UNTOLD = (1.0, 1.0, 1.0)
Audits = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Row:
    """One row: the number of completed dialogues, shares and raw values (``[1]`` each), bootstrap draws (``[B]`` each), and the auditor's
    input."""

    completed: int
    shares: Shares
    raw: Shares
    draws: Shares
    sample: Sample


@dataclass(frozen=True)
class SharedRows:
    """The rows by name, people first, the bootstrap samples of people, and the audits at ``audited`` dialogues per row."""

    rows: Mapping[str, Row]
    worlds: tuple[World, ...]
    audits: Audits
    audited: int


def shared_rows(setup: EvaluationSetup, workers: WorkerPool) -> SharedRows:
    """The shared rows, from the cache if possible; rows that models play are not cached."""
    if not setup.start_key:
        return _made(setup, workers)
    key = cache.key_of(setup.start_key, "rows", setup.seed_program.id, setup.people_draws, setup.test_plan)
    return cache.made(key, SharedRows, lambda: _made(setup, workers))


def row_of(setup: EvaluationSetup, episodes: Sequence[Episode], draws: Shares) -> Row:
    """A row from its dialogues and its bootstrap draws."""
    completed = sum(one.state == "completed" for one in episodes)
    return Row(completed, *point_of(setup.test, episodes), draws, _sample(setup, episodes))


def audits_of(setup: EvaluationSetup, workers: WorkerPool, rows: Mapping[str, Row], n: int) -> Audits:
    """Audit every row against held-out people at n dialogues each. A row with too few dialogues counts as fully separable."""
    seed = setup.test_plan.seed
    kept = people_sample(setup.kept).at_most(n, seed)
    work = {name: Audit(kept, row.sample.at_most(n, seed), seed) for name, row in rows.items() if row.sample.enough}
    found = dict(zip(work, workers.map(audited, list(work.values())), strict=True))
    return {name: found.get(name, _UNTOLD) for name in rows}


def comparable(setup: EvaluationSetup, rows: Mapping[str, Row]) -> int:
    """Largest number of dialogues that all audited rows and the held-out people have."""
    return min(len(setup.kept.values), *(len(row.sample.owners) for row in rows.values() if row.sample.enough))


def people_sample(people: Reference) -> Sample:
    """Auditor's input for real dialogues, with typing habits if they are known; owners are the persons."""
    typing = () if people.typing is None else (seen(people.typing),)
    return Sample(np.hstack([people.values, people.dynamics, *typing]), people.people)


def played_sample(episodes: Sequence[Episode], losses: tuple[str, ...], *, typing: bool = False) -> Sample:
    """Auditor's input for simulated dialogues, with typing habits on request; owners are the ``generate`` calls."""
    done = [one for one in episodes if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in one.turns if role == "user"] for one in done]
    personas = [f"{one.item.task_id} {one.item.slot}" for one in done]
    course: Floats = dynamics.measure(texts, definitions.features(), personas)
    values = np.array([one.fingerprint for one in done]).reshape(len(done), len(definitions.features().names))  # also of none
    habits = (seen(reference.habits_of(texts, losses)),) if typing else ()
    return Sample(np.hstack([values, course, *habits]), tuple(one.item.task_id for one in done))


def audit_of(setup: EvaluationSetup, episodes: Sequence[Episode]) -> tuple[float, float, float]:
    """The auditor's AUC of dialogues on held-out tasks, with its interval."""
    return tell_apart(people_sample(setup.kept), _sample(setup, episodes), setup.test_plan.seed)


def _made(setup: EvaluationSetup, workers: WorkerPool) -> SharedRows:
    """Play and score the shared rows."""
    n = len(setup.test_plan.items)
    played = _played(setup, workers)
    found = workers.map(partial(drawn_world, setup.setting, played, n), range(setup.people_draws))
    worlds, draws = tuple(world for world, _ in found), joined([shares for _, shares in found])
    people = Row(n, *point_of_people(setup.setting, n), chained([world.humans for world in worlds]), people_sample(setup.steering))
    rows = {PEOPLE: people} | {name: row_of(setup, episodes, draws[name]) for name, episodes in played.items()}
    count = comparable(setup, rows)
    return SharedRows(rows, worlds, audits_of(setup, workers, rows, count), count)


def _sample(setup: EvaluationSetup, episodes: Sequence[Episode]) -> Sample:
    return played_sample(episodes, setup.losses, typing=setup.kept.typing is not None)


def _played(setup: EvaluationSetup, workers: WorkerPool) -> dict[str, tuple[Episode, ...]]:
    """Play the persona-free simulator, the controls and the seed program on the test plan."""
    plan = setup.test_plan
    work = {FREE: setup.rollout(None, plan)}
    agreement = setup.test.agreement.value if setup.test.agreement is not None else None
    for name in controls.rows(models=setup.models):
        work[name] = setup.rollout(None, plan, personas=controls.personas(name, setup.steering.values, plan, agreement))
    work[SEED] = setup.rollout(setup.seed_program.source, plan)
    return dict(zip(work, play(workers, list(work.values())), strict=True))


def final_table(setup: EvaluationSetup, workers: WorkerPool, best: Program) -> FinalTable:
    """All rows over the same number of held-out episodes, which did not steer the search."""
    shared = shared_rows(setup, workers)
    (episodes,) = play(workers, [setup.rollout(best.source, setup.test_plan)])
    draws = chained([world.shares(episodes) for world in shared.worlds])
    rows = {**shared.rows, BEST: row_of(setup, episodes, draws)}
    n = comparable(setup, rows)
    if n == shared.audited:
        audits: Audits = {**shared.audits, **audits_of(setup, workers, {BEST: rows[BEST]}, n)}
    else:  # the best program has fewer dialogues: every row is audited at that number
        audits = audits_of(setup, workers, rows, n)
    programs = {SEED: setup.seed_program.id, BEST: best.id}
    calls = len(setup.test_plan.tasks)
    made = [TableRow(name, programs.get(name), _measures(setup, row, audits[name])) for name, row in rows.items()]
    return FinalTable(tuple(made), tuple(_compared(rows, calls)))


def _measures(setup: EvaluationSetup, row: Row, audit: tuple[float, float, float]) -> dict[str, Measure]:
    """Measures of one row with intervals, and the auditor's AUC."""
    planned, calls = len(setup.test_plan.items), len(setup.test_plan.tasks)
    found = {}
    for name, share in row.shares.items():
        value = float(share[0])
        found[name] = Measure(value, *interval(value, row.draws[name], calls), float(row.raw[name][0]), row.completed, planned)
    auc, low, high = audit
    return {**found, AUDITOR: Measure(auc, low, high, auc, row.completed, planned)}


def _compared(rows: Mapping[str, Row], calls: int) -> list[Comparison]:
    """Differences between the best program and every other row, paired by world and, for rows that played the plan, by call."""
    found, best = [], rows[BEST]
    for against in (*(name for name in rows if name not in (PEOPLE, BEST)), PEOPLE):
        other = rows[against]
        for objective in best.shares:
            if objective in other.shares:
                value = float(best.shares[objective][0] - other.shares[objective][0])
                ends = interval(value, best.draws[objective] - other.draws[objective], calls)
                found.append(Comparison(BEST, against, objective, value, *ends))
    return found

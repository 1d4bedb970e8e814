"""Rows of the final table that do not depend on the search: people, the persona-free simulator, controls and the seed program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from personaevo import cache, definitions, reference
from personaevo.crew import WorkerPool
from personaevo.evolve import controls
from personaevo.evolve.names import FREE, PEOPLE, SEED
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.rollout import play
from personaevo.judge.auditor import Audit, Sample, audited, seen, tell_apart
from personaevo.judge.uncertainty import Shares, World, chained, drawn_world, joined, point_of, point_of_people
from personaevo.measure import dynamics
from personaevo.measure.losses import apply_losses
from personaevo.records import Episode, Floats
from personaevo.reference import Reference

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

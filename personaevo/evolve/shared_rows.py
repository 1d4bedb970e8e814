"""Rows of the final table that do not depend on what a search finds: people, the persona-free simulator, the controls, the seed program.

They take most of a table's time: in each draw of people a judge is trained anew. So they are made once for equal tasks, people and
settings, as the cache keeps them, and every search adds the row of its best program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from personaevo import cache, definitions, reference
from personaevo.crew import Crew
from personaevo.evolve import controls
from personaevo.evolve.names import FREE, PEOPLE, SEED
from personaevo.evolve.prepare import Bench
from personaevo.evolve.rollout import play
from personaevo.judge.auditor import Audit, Sample, audited, seen, tell_apart
from personaevo.judge.uncertainty import Shares, World, chained, drawn_world, joined, point_of, point_of_people
from personaevo.measure import dynamics
from personaevo.measure.losses import apply_losses
from personaevo.records import Episode, Floats
from personaevo.reference import Reference
from personaevo.workers import Workers

_UNTOLD = (1.0, 1.0, 1.0)
Audits = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Row:
    """One row: how many of the planned dialogues completed, shares and raw values (``[1]`` each), the draws of people and calls (``[B]``
    each), and its dialogues as the auditor sees them."""

    completed: int
    shares: Shares
    raw: Shares
    draws: Shares
    sample: Sample


@dataclass(frozen=True)
class SharedRows:
    """The rows by name, people first, the draws of people, and the auditor's findings at ``audited`` dialogues a row."""

    rows: Mapping[str, Row]
    worlds: tuple[World, ...]
    audits: Audits
    audited: int


def shared_rows(bench: Bench, workers: Workers | Crew) -> SharedRows:
    """The rows, from the cache where they were made before; those that models played are made anew."""
    if not bench.start_key:
        return _made(bench, workers)
    key = cache.key_of(bench.start_key, "rows", bench.seed_program.id, bench.people_draws, bench.test_plan)
    return cache.made(key, SharedRows, lambda: _made(bench, workers))


def row_of(bench: Bench, episodes: Sequence[Episode], worlds: Sequence[World]) -> Row:
    """One row from its dialogues, judged as they are and in each of the worlds."""
    return _row(bench, episodes, chained([world.shares(episodes) for world in worlds]))


def audits_of(bench: Bench, workers: Workers | Crew, rows: Mapping[str, Row], n: int) -> Audits:
    """Every row against the people kept aside, n dialogues each. A row of too few dialogues counts as told apart."""
    seed = bench.test_plan.seed
    kept = people_sample(bench.kept).at_most(n, seed)
    work = {name: Audit(kept, row.sample.at_most(n, seed), seed) for name, row in rows.items() if row.sample.enough}
    found = dict(zip(work, workers.map(audited, list(work.values())), strict=True))
    return {name: found.get(name, _UNTOLD) for name in rows}


def comparable(bench: Bench, rows: Mapping[str, Row]) -> int:
    """How many dialogues every row that the auditor can tell apart has, at least, and so have the people kept aside."""
    return min(len(bench.kept.values), *(len(row.sample.owners) for row in rows.values() if row.sample.enough))


def people_sample(people: Reference) -> Sample:
    """Real dialogues as the auditor sees them, with how people type if that is known; owners are the persons."""
    typing = () if people.typing is None else (seen(people.typing),)
    return Sample(np.hstack([people.values, people.dynamics, *typing]), people.people)


def played_sample(episodes: Sequence[Episode], losses: tuple[str, ...], *, typing: bool = False) -> Sample:
    """Played dialogues as the auditor sees them, with how they are typed if it knows how people type; owners are the ``generate`` calls."""
    done = [one for one in episodes if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in one.turns if role == "user"] for one in done]
    personas = [f"{one.item.task_id} {one.item.slot}" for one in done]
    course: Floats = dynamics.measure(texts, definitions.features(), personas)
    values = np.array([one.fingerprint for one in done]).reshape(len(done), len(definitions.features().names))  # also of none
    habits = (seen(reference.habits_of(texts, losses)),) if typing else ()
    return Sample(np.hstack([values, course, *habits]), tuple(one.item.task_id for one in done))


def audit_of(bench: Bench, episodes: Sequence[Episode]) -> tuple[float, float, float]:
    """The auditor's AUC of any dialogues on held-out tasks, with its interval."""
    return tell_apart(people_sample(bench.kept), _sample(bench, episodes), bench.test_plan.seed)


def _made(bench: Bench, workers: Workers | Crew) -> SharedRows:
    plan = bench.test_plan
    n = len(plan.items)
    played = _played(bench, workers)
    found = workers.map(partial(drawn_world, bench.setting, played, n), range(bench.people_draws))
    worlds, draws = tuple(world for world, _ in found), joined([shares for _, shares in found])
    people = Row(n, *point_of_people(bench.setting, n), chained([world.humans for world in worlds]), people_sample(bench.steering))
    rows = {PEOPLE: people} | {name: _row(bench, episodes, draws[name]) for name, episodes in played.items()}
    count = comparable(bench, rows)
    return SharedRows(rows, worlds, audits_of(bench, workers, rows, count), count)


def _row(bench: Bench, episodes: Sequence[Episode], draws: Shares) -> Row:
    completed = sum(one.state == "completed" for one in episodes)
    return Row(completed, *point_of(bench.test, episodes), draws, _sample(bench, episodes))


def _sample(bench: Bench, episodes: Sequence[Episode]) -> Sample:
    return played_sample(episodes, bench.losses, typing=bench.kept.typing is not None)


def _played(bench: Bench, workers: Workers | Crew) -> dict[str, tuple[Episode, ...]]:
    plan = bench.test_plan
    work = {FREE: bench.rollout(None, plan)}
    agreement = bench.test.agreement.value if bench.test.agreement is not None else None
    for name in controls.rows(models=bench.models):
        work[name] = bench.rollout(None, plan, personas=controls.personas(name, bench.steering.values, plan, agreement))
    work[SEED] = bench.rollout(bench.seed_program.source, plan)
    return dict(zip(work, play(workers, list(work.values())), strict=True))

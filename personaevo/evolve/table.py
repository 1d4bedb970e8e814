"""The final table: people, controls, the seed program and the best evolved one, on held-out tasks and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from personaevo import definitions
from personaevo.crew import Crew
from personaevo.evolve import controls, names
from personaevo.evolve.negatives import FREE
from personaevo.evolve.prepare import Bench
from personaevo.evolve.rollout import play
from personaevo.judge.auditor import Sample, tell_apart
from personaevo.judge.uncertainty import Shares, interval, joined, point, world
from personaevo.measure import dynamics
from personaevo.measure.losses import apply_losses
from personaevo.records import Comparison, Episode, FinalTable, Floats, Measure, Program, TableRow
from personaevo.reference import Reference
from personaevo.workers import Workers

AUDITOR = names.AUDITOR
PEOPLE, SEED, BEST = names.PEOPLE, names.SEED, names.BEST
_LEAST = 10  # dialogues in each half of a fold, say: fewer are not told apart
Rows = Mapping[str, Sequence[Episode]]


def final_table(bench: Bench, workers: Workers | Crew, best: Program) -> FinalTable:
    """All rows over the same number of held-out episodes; none of them steered anything."""
    programs: Mapping[str, Program | None] = {FREE: None, SEED: bench.seed_program, BEST: best}
    plan = bench.test_plan
    work = {FREE: bench.rollout(None, plan)}
    agreement = bench.test.agreement.value if bench.test.agreement is not None else None
    for name in controls.rows(models=bench.models):
        work[name] = bench.rollout(None, plan, personas=controls.personas(name, bench.steering.values, plan, agreement))
    work |= {name: bench.rollout(program.source, plan) for name, program in programs.items() if program is not None}
    rows = dict(zip(work, play(workers, list(work.values())), strict=True))
    audits = _audits(bench, workers, rows)
    shares, raw, draws = _scored(bench, workers, rows, len(plan.items))
    calls = len(plan.tasks)
    made = []
    for name in (PEOPLE, *rows):
        counts = _counts(rows.get(name), len(plan.items))
        measures = {
            objective: Measure(value, *interval(value, draws[name][objective], calls), float(raw[name][objective][0]), *counts)
            for objective, value in ((key, float(values[0])) for key, values in shares[name].items())
        }
        auc, low, high = audits[name]
        program = programs.get(name)
        made.append(TableRow(name, program.id if program else None, {**measures, AUDITOR: Measure(auc, low, high, auc, *counts)}))
    return FinalTable(tuple(made), tuple(_compared(shares, draws, calls)))


def _counts(episodes: Sequence[Episode] | None, planned: int) -> tuple[int, int]:
    return (planned if episodes is None else sum(one.state == "completed" for one in episodes)), planned


def _scored(bench: Bench, workers: Workers | Crew, rows: Rows, n: int) -> tuple[dict[str, Shares], dict[str, Shares], dict[str, Shares]]:
    """Shares, raw values, and the draws of both people and calls."""
    shares, raw = point(bench.setting, rows, n)
    worlds = workers.map(partial(world, bench.setting, rows, n), range(bench.people_draws))
    return shares, raw, joined(worlds)


def _compared(shares: Mapping[str, Shares], draws: Mapping[str, Shares], calls: int) -> list[Comparison]:
    """The best program less every other row, paired: the same worlds, and the same calls where rows played the plan."""
    found = []
    for against in shares:
        for objective in shares[BEST] if against != BEST else ():
            if objective in shares[against]:
                value = float(shares[BEST][objective][0] - shares[against][objective][0])
                ends = interval(value, draws[BEST][objective] - draws[against][objective], calls)
                found.append(Comparison(BEST, against, objective, value, *ends))
    return found


# --- the auditor


@dataclass(frozen=True)
class _Audit:
    """One row against people who were kept aside."""

    people: Sample
    row: Sample
    seed: int


def audited(work: _Audit) -> tuple[float, float, float]:
    """The auditor's AUC of one row with its interval. What worker processes do."""
    return tell_apart(work.people, work.row, work.seed)


def _audits(bench: Bench, workers: Workers | Crew, rows: Rows) -> dict[str, tuple[float, float, float]]:
    """Every row, and the people that steered, against the people kept aside, equally many each."""
    kept, steering = people_sample(bench.kept), people_sample(bench.steering)
    samples = {PEOPLE: steering} | {name: played_sample(episodes, bench.losses) for name, episodes in rows.items()}
    samples = {name: one for name, one in samples.items() if len(one.owners) >= 2 * _LEAST}
    seed = bench.test_plan.seed
    n = min(len(one.owners) for one in (kept, *samples.values()))
    work = [_Audit(kept.at_most(n, seed), one.at_most(n, seed), seed) for one in samples.values()]
    found = dict(zip(samples, workers.map(audited, work), strict=True))
    return {name: found.get(name, (1.0, 1.0, 1.0)) for name in (PEOPLE, *rows)}


def audit_of(bench: Bench, episodes: Sequence[Episode]) -> tuple[float, float, float]:
    """The auditor's AUC of any dialogues on held-out tasks, with its interval."""
    return tell_apart(people_sample(bench.kept), played_sample(episodes, bench.losses), bench.test_plan.seed)


def people_sample(people: Reference) -> Sample:
    return Sample(np.hstack([people.values, people.dynamics]), people.people)


def played_sample(episodes: Sequence[Episode], losses: tuple[str, ...]) -> Sample:
    """What the auditor sees of played dialogues; owners are the ``generate`` calls."""
    done = [one for one in episodes if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in one.turns if role == "user"] for one in done]
    personas = [f"{one.item.task_id} {one.item.slot}" for one in done]
    course: Floats = dynamics.measure(texts, definitions.features(), personas)
    values = np.array([one.fingerprint for one in done]).reshape(len(done), len(definitions.features().names))  # also of none
    return Sample(np.hstack([values, course]), tuple(one.item.task_id for one in done))

"""The final table: people, controls, the seed program and the best evolved program, on held-out tasks and people."""

from __future__ import annotations

from collections.abc import Mapping

from personaevo.crew import WorkerPool
from personaevo.evolve.names import AUDITOR, BEST, PEOPLE, SEED
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.rollout import play
from personaevo.evolve.shared_rows import Audits, Row, audits_of, comparable, row_of, shared_rows
from personaevo.judge.uncertainty import chained, interval
from personaevo.records import Comparison, FinalTable, Measure, Program, TableRow


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

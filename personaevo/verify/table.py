"""Checks of the final table: its rows, and the consistency of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from personaevo.archive import Archive
from personaevo.evolve import controls
from personaevo.evolve.finals import winner
from personaevo.evolve.names import AUDITOR, BEST, FREE, PEOPLE, SEED
from personaevo.evolve.parts import OWN_PARTS
from personaevo.judge.objectives import SCORE, scoring_of
from personaevo.records import Evaluation, FinalTable, Run, Scoring
from personaevo.verify.arithmetic import FIRST, check_consistency, score_from
from personaevo.verify.report import EXACT, Report


def check_table(archive: Archive, run: Run, report: Report) -> None:
    """Check the rows of the final table and the consistency of its numbers. They cannot be recomputed, as dialogues are not stored."""
    table, scoring, finals = archive.final_table(run.id), archive.scoring(run.id), archive.finals(run.id)
    if not table.rows:
        report.unchecked.append(f"run {run.id}, final table: there is none, the search has not ended")
        return
    _check_rows(run, table, report)
    _check_programs_of(run, scoring, table, finals, report)
    for number, one in enumerate(finals):
        check_consistency(run, scoring, one, f"run {run.id}, finals, row {number}", report)
    _check_measures(run, scoring, table, report)
    _check_comparisons(run, table, report)
    report.unchecked.append(f"run {run.id}, numbers of the finals and the final table: their dialogues are not stored")


def _check_rows(run: Run, table: FinalTable, report: Report) -> None:
    """The table must have the rows that the run's scoring and players imply."""
    names = [row.row for row in table.rows]
    others = {*(run.settings.get("models") or ()), *(run.settings.get(OWN_PARTS) or ())}
    played = bool({"user", "agent", "users", "outside"} & others or run.settings.get("agent"))
    more = controls.rows(models=played and controls.ROWS[-1] not in names) if scoring_of(run.settings) != FIRST else ()
    expected = [PEOPLE, FREE, *more, SEED, BEST]
    if names != expected:
        report.add("final table", f"run {run.id}, final table, rows", ", ".join(names), ", ".join(expected))


def _check_programs_of(run: Run, scoring: Scoring, table: FinalTable, finals: Sequence[Evaluation], report: Report) -> None:
    """The seed row must have the run's seed program, and the best row the winner of the finals."""
    programs = {row.row: row.program_id for row in table.rows}
    where, seed = f"run {run.id}, final table", run.settings.get("seed_program")
    if seed is not None and SEED in programs and programs[SEED] != seed:
        report.add("final table", f"{where}, row '{SEED}'", programs[SEED], seed)
    if finals and BEST in programs:
        best = winner(finals, {name: floor for name, (role, _, floor, _) in scoring.rules.items() if role == "holds" and floor is not None})
        if programs[BEST] != best.program_id:
            report.add("final table", f"{where}, row '{BEST}'", programs[BEST], f"{best.program_id}, the best of the finals")


def _check_measures(run: Run, scoring: Scoring, table: FinalTable, report: Report) -> None:
    """Each row has only measures of the run, and its score follows from its objectives (except for people, a mean over draws)."""
    for row in table.rows:
        where = f"run {run.id}, final table, row '{row.row}'"
        for name, one in row.measures.items():
            if name not in (SCORE, AUDITOR) and name not in scoring.rules:
                report.add("final table", where, f"{name[:80]} is measured", "an objective of the run")
            if one.low > one.high:
                report.add("final table", f"{where}, {name}", f"{one.low:.9g} to {one.high:.9g}", "an interval")
        expected = score_from(run, scoring, {name: one.mean for name, one in row.measures.items()})
        if row.row != PEOPLE and expected is not None and SCORE in row.measures:
            report.compare("final table", f"{where}, {SCORE}", row.measures[SCORE].mean, expected, EXACT)


def _check_comparisons(run: Run, table: FinalTable, report: Report) -> None:
    """The best program must be compared with each other row on each objective that both have, by the difference of their means."""
    rows = {row.row: row.measures for row in table.rows}
    best = rows.get(BEST, {}) if scoring_of(run.settings) != FIRST else {}  # the first scoring compared nothing
    expected = {
        (BEST, against, name): best[name].mean - measures[name].mean
        for against, measures in rows.items() for name in best if against != BEST and name in measures and name != AUDITOR
    }  # fmt: skip
    stored = {(one.row, one.against, one.objective): one for one in table.comparisons}
    for place in dict.fromkeys((*expected, *stored)):
        where = f"run {run.id}, final table, {' less '.join(place[:2])[:160]}, {place[2][:80]}"
        one = stored.get(place)
        report.compare("final table", where, None if one is None else one.mean, expected.get(place), EXACT)
        if one is not None and one.low > one.high:
            report.add("final table", where, f"{one.low:.9g} to {one.high:.9g}", "an interval")
    report.checked["comparisons"] += len(table.comparisons)

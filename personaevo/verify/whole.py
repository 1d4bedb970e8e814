"""Verification of a whole archive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from personaevo.archive import Archive
from personaevo.errors import ArchiveBusyError, ArchiveError, PersonaevoError, ProgramError
from personaevo.evolve.parts import Parts, make_parts
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import using
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.programs import program_id
from personaevo.refine.implicit import result
from personaevo.simulate.own_users import AgentSimulator, UserSimulator
from personaevo.simulate.partners import AgentFunction
from personaevo.verify.report import Report, Verification
from personaevo.verify.run import check_run
from personaevo.verify.table import check_table


def verify(
    path: str | os.PathLike[str], *, users: UserSimulator | None = None, agent: AgentSimulator | AgentFunction | None = None,
    judge: Judge | None = None, objectives: Sequence[Objective] = (), descriptors: Descriptors | None = None,
) -> Verification:  # fmt: skip
    """Check everything in an archive that can be recomputed; numbers agree within 1e-6. An archive that is being written is checked in its
    last snapshot.

    A file that cannot be read (damaged, or with values that no search writes) gets one finding that says so. A check that lacks an input,
    such as the file of people, is listed as unchecked. Scores of runs with custom parts are checked if the same parts are given, as to
    ``search``.

    Raises:
        ArchiveBusyError: it is being written and no snapshot appears.
        ArchiveError: there is no such file.
    """
    report = Report()
    parts = make_parts(users, agent, judge, objectives, None, None, None, descriptors)
    try:
        with using(parts.objectives), Archive.read(path) as archive:
            _check(archive, report, parts)
    except ArchiveBusyError:
        raise
    except ArchiveError as error:
        if not Path(path).is_file():
            raise
        report.add("file", os.fspath(path), str(error), "an archive as personaevo writes it")
    return Verification(tuple(report.findings), tuple(report.unchecked), dict(report.checked))


def _check(archive: Archive, report: Report, parts: Parts) -> None:
    report.findings += archive.disagreements()
    if any(finding.kind == "value" for finding in report.findings):
        report.unchecked.append("everything else: values that no search writes are not read")
        return
    for table in ("runs", "candidates", "evaluations", "episodes", "personas"):
        report.checked[table] = archive.query(f"SELECT count(*) FROM {table}")[1][0][0]
    _check_programs(archive, report)
    _check_refinement(archive, report)
    for run in archive.runs():
        check_table(archive, run, report)
        check_run(archive, run, report, parts)


def _check_programs(archive: Archive, report: Report) -> None:
    """Check that every stored text of a program has the program's id."""
    texts = "SELECT id, source FROM programs UNION ALL SELECT program, variant FROM candidates WHERE variant IS NOT NULL"
    for key, source in archive.query(texts)[1]:
        report.checked["programs"] += 1
        try:
            found = program_id(source)
        except ProgramError as error:
            found = f"no id: {error}"
        if found != key:
            report.add("program", f"program {key}", found, f"{key}, the id of its source")


def _check_refinement(archive: Archive, report: Report) -> None:
    """Check that every person's record is unchanged, and that the returned profile is the one that was scored."""
    for row in archive.refinements().people():
        report.checked["profiles"] += 1
        try:
            result(row)
        except PersonaevoError as error:
            report.add("refined", f"person {row.person[:80]}, role {row.role}", error, "what a refinement writes")

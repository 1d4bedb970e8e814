"""``archive verify``: what an archive says, computed again from what it holds.

Ids follow from sources, digests from rows, fingerprints from dialogues, and every score from stored fingerprints: the judge is trained anew
from the run's settings, against control dialogues that are played again (with models: from the answers that the archive keeps).
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from personaevo.archive import Archive, Finding
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveBusyError, ArchiveError, PersonaevoError, ProgramError
from personaevo.evolve.company import Company, wanted
from personaevo.evolve.finals import winner
from personaevo.evolve.prepare import Bench, input_digests, load_people, load_tasks, prepare
from personaevo.programs import program_id
from personaevo.records import Episode, Evaluation, Run
from personaevo.refine.people import result
from personaevo.simulate.measuring import measured
from personaevo.workers import Workers

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Verification:
    """What disagrees, what could not be checked and why, and how many of each thing were checked."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    checked: Mapping[str, int]


def verify(path: str | os.PathLike[str]) -> Verification:
    """Checks all that can be computed again; numbers agree within 1e-6. Of an archive that is being written, its last snapshot.

    A file that is refused as it is (damaged, or with values that no search writes) gives that as its finding. What cannot be checked
    because something is not at hand (the people's file, say) is no finding.

    Raises:
        ArchiveBusyError: it is being written and no snapshot appears.
        ArchiveError: there is no such file.
    """
    report = _Report()
    try:
        with Archive.read(path) as archive:
            _check(archive, report)
    except ArchiveBusyError:
        raise
    except ArchiveError as error:
        if not Path(path).is_file():
            raise
        report.add("file", os.fspath(path), str(error), "an archive as personaevo writes it")
    return Verification(tuple(report.findings), tuple(report.unchecked), dict(report.checked))


@dataclass
class _Report:
    """A verification under way."""

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, where: str, found: object, expected: object) -> None:
        """A disagreement."""
        self.findings.append(Finding(kind, where, _shown(found), _shown(expected)))

    def compare(self, kind: str, where: str, found: float | None, expected: float | None) -> None:
        """Two numbers that must agree."""
        if found is None or expected is None:
            agree = found is expected
        else:
            agree = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        if not agree:
            self.add(kind, where, found, expected)


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def _check(archive: Archive, report: _Report) -> None:
    report.findings += archive.disagreements()
    if any(finding.kind == "value" for finding in report.findings):
        report.unchecked.append("everything else: values that no search writes are not read")
        return
    for table in ("runs", "candidates", "evaluations", "episodes", "personas"):
        report.checked[table] = archive.query(f"SELECT count(*) FROM {table}")[1][0][0]
    _check_programs(archive, report)
    _check_refinement(archive, report)
    for run in archive.runs():
        _check_table(archive, run, report)
        _check_run(archive, run, report)


def _check_programs(archive: Archive, report: _Report) -> None:
    """Every source, and every other text of a program that was proposed, must have the id that it goes by."""
    texts = "SELECT id, source FROM programs UNION ALL SELECT program, variant FROM candidates WHERE variant IS NOT NULL"
    for key, source in archive.query(texts)[1]:
        report.checked["programs"] += 1
        try:
            found = program_id(source)
        except ProgramError as error:
            found = f"no id: {error}"
        if found != key:
            report.add("program", f"program {key}", found, f"{key}, the id of its source")


def _check_refinement(archive: Archive, report: _Report) -> None:
    """Everybody's record must be as it was written, and the profile that it returns the one that was scored."""
    for row in archive.refinements().people():
        report.checked["profiles"] += 1
        try:
            result(row)
        except PersonaevoError as error:
            report.add("refined", f"person {row.person[:80]}, role {row.role}", error, "what a refinement writes")


def _check_table(archive: Archive, run: Run, report: _Report) -> None:
    """Whose rows the final table has. Its numbers come from dialogues that are not kept."""
    table = {row.row: row for row in archive.table(run.id)}
    if not table:
        report.unchecked.append(f"run {run.id}, final table: there is none, the search has not ended")
        return
    seed = run.settings.get("seed_program")
    if seed is not None and "seed_program" in table and table["seed_program"].program_id != seed:
        report.add("final table", f"run {run.id}, row 'seed_program'", table["seed_program"].program_id, seed)
    finals = archive.finals(run.id)
    if finals and "evolved" in table:
        best = winner(finals, float(run.settings.get("preservation_floor", 0.0))).program_id
        if table["evolved"].program_id != best:
            report.add("final table", f"run {run.id}, row 'evolved'", table["evolved"].program_id, f"{best}, the best of the finals")
    report.unchecked.append(f"run {run.id}, numbers of the finals and the final table: their dialogues are not kept")


# --- one run


def _check_run(archive: Archive, run: Run, report: _Report) -> None:
    """The fingerprints, if features and people are those of the run; the scores, if all else is too."""
    evaluations = {commit.candidate.number: commit.evaluation for commit in archive.commits(run.id) if commit.evaluation is not None}
    pruned = archive.pruned(run.id) & evaluations.keys()
    if pruned:
        why = "compact left their episodes out"
        report.unchecked.append(f"run {run.id}, scores of {len(pruned)} of {len(evaluations)} evaluations: {why}")
    try:
        config = _config(run)
        tasks, people = load_tasks(config), load_people(config)
        at_hand = input_digests(config, tasks, people)
    except PersonaevoError as error:
        report.unchecked.append(f"run {run.id}, fingerprints and scores: {error}")
        return
    other = [name.removesuffix("_digest") for name, value in at_hand.items() if run.settings.get(name) != value]
    losses = None if {"features", "people"} & set(other) else people.losses
    if losses is None:
        report.unchecked.append(f"run {run.id}, fingerprints: it was made with other {' and '.join(other)} than are at hand")
    with _bench(archive, run, config, other, report) as bench:
        if bench is not None:
            _check_cells(run, bench, report)
        for number, episodes in archive.all_episodes(run.id):
            if number in evaluations:
                _Candidate(f"run {run.id}, candidate {number}", evaluations[number], episodes, report).check(losses, bench)


def _config(run: Run) -> SearchConfig:
    """The run's settings; the seed program decides no score, and need not be at hand."""
    known = {name: value for name, value in run.settings.items() if name in SearchConfig.model_fields}
    return SearchConfig.model_validate({**known, "program": None})


@contextmanager
def _bench(archive: Archive, run: Run, config: SearchConfig, other: Sequence[str], report: _Report) -> Iterator[Bench | None]:
    """What the run was measured on, made again; None, and a note, if that cannot be."""
    why = f"it was made with other {' and '.join(other)} than are at hand" if other else ""
    if config.agent is not None:  # a module that the file names is not run
        why = f"its agent {config.agent} would have to play again"
    bench = None
    if not why:
        try:
            bench = _prepared(archive, config)
        except PersonaevoError as error:
            why = str(error)
    if bench is not None and bench.inputs.get("profiles_digest") != run.settings.get("profiles_digest"):
        bench, why = None, "it was made with other profiles than are at hand"
    if bench is None:
        report.unchecked.append(f"run {run.id}, scores: {why}")
    yield bench


def _prepared(archive: Archive, config: SearchConfig) -> Bench:
    if not wanted(config):
        with Workers(1) as workers:
            return prepare(config, workers)
    offline = config.model_copy(update={"replay": archive.path})
    with Company(offline, archive) as company:
        return prepare(offline, company.crew, company.cast)


def _check_cells(run: Run, bench: Bench, report: _Report) -> None:
    """The modes of behavior that people were found to have."""
    expected = bench.cells()
    if len(run.cells) != len(expected):
        report.add("cell", f"run {run.id}", f"{len(run.cells)} cells", f"{len(expected)} cells")
        return
    for stored, made in zip(run.cells, expected, strict=True):
        where = f"run {run.id}, cell {made['cell']}"
        if (stored["cell"], stored["name"]) != (made["cell"], made["name"]):
            report.add("cell", where, f"{stored['cell']} {stored['name']}", f"{made['cell']} {made['name']}")
        report.compare("cell", f"{where}, mass", stored["mass"], made["mass"])
        if not _near(stored.get("centroid"), made["centroid"]):
            report.add("cell", f"{where}, centroid", json.dumps(stored.get("centroid")), json.dumps(made["centroid"]))


def _near(found: Any, expected: Sequence[float]) -> bool:
    """Whether these are the same numbers."""
    numbers = isinstance(found, list | tuple) and all(isinstance(value, int | float) for value in found)
    return (
        numbers and len(found) == len(expected)
        and all(math.isclose(*pair, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for pair in zip(found, expected, strict=True))
    )  # fmt: skip


@dataclass(frozen=True)
class _Candidate:
    """One evaluated candidate with its episodes, of which there are some."""

    where: str
    evaluation: Evaluation
    episodes: tuple[Episode, ...]
    report: _Report

    def check(self, losses: tuple[str, ...] | None, bench: Bench | None) -> None:
        """Fingerprints where ``losses`` is given, plan and scores where ``bench`` is."""
        if losses is not None:
            self._check_fingerprints(losses)
        if bench is not None:
            self._check_plan(bench)
            self._check_scores(bench)

    def _place(self, episode: Episode) -> str:
        return f"{self.where}, task {episode.item.task_id[:80]}, slot {episode.item.slot}"

    def _check_fingerprints(self, losses: tuple[str, ...]) -> None:
        try:
            again = measured(self.episodes, losses)
        except PersonaevoError as error:
            self.report.add("fingerprint", self.where, error, "dialogues that can be measured")
            return
        for episode, expected in zip(self.episodes, again, strict=True):
            self.report.checked["fingerprints"] += episode.state == "completed"
            if not _near(episode.fingerprint, expected.fingerprint):
                stored, made = (json.dumps(one.fingerprint) for one in (episode, expected))
                self.report.add("fingerprint", self._place(episode), stored, f"{made}, as measured")

    def _check_plan(self, bench: Bench) -> None:
        """It played the episodes that were planned, all of them, and no others."""
        planned, played = Counter(bench.train_plan.items), Counter(one.item for one in self.episodes)
        for item, count in ((planned - played) + (played - planned)).items():
            missing = item in planned
            where = f"{self.where}, task {item.task_id[:80]}, slot {item.slot}, seed {item.seed}"
            self.report.add("episode", where, "missing" if missing else f"{count} more", "planned" if missing else "not planned")

    def _check_scores(self, bench: Bench) -> None:
        """The judge's P(human) and cell of each episode, and the evaluation that follows from them."""
        if any(one.state == "completed" and len(one.fingerprint) != len(bench.train.names) for one in self.episodes):
            self.report.add("fingerprint", self.where, "of another length", f"{len(bench.train.names)} features")
            return
        order = {item: place for place, item in enumerate(bench.train_plan.items)}
        episodes = sorted(self.episodes, key=lambda one: order.get(one.item, len(order)))
        evaluation, judged = bench.score(self.evaluation.program_id, episodes)
        for stored, expected in zip(episodes, judged, strict=True):
            self.report.compare("p_human", self._place(stored), stored.p_human, expected.p_human)
            if stored.cell != expected.cell:
                self.report.add("cell", self._place(stored), stored.cell, expected.cell)
        self.report.checked["scores"] += 1
        self._compare(evaluation)

    def _compare(self, expected: Evaluation) -> None:
        for name in sorted({*self.evaluation.objectives, *expected.objectives}):
            stored, made = self.evaluation.objectives.get(name), expected.objectives.get(name)
            for part in ("value", "se", "raw"):
                self.report.compare("score", f"{self.where}, {name} ({part})", getattr(stored, part, None), getattr(made, part, None))
        ours, theirs = ({cell.cell: cell for cell in one.cells} for one in (self.evaluation, expected))
        for number in sorted({*ours, *theirs}):
            for part in ("share", "score", "se"):
                found, made_again = getattr(ours.get(number), part, None), getattr(theirs.get(number), part, None)
                self.report.compare("score", f"{self.where}, cell {number} ({part})", found, made_again)
        if self.evaluation.remarks != expected.remarks:
            self.report.add("remarks", self.where, _words(self.evaluation), _words(expected))


def _words(evaluation: Evaluation) -> str:
    return ", ".join(f"{remark.wanted} {remark.feature}" for remark in evaluation.remarks) or "none"

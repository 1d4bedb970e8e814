"""Verification of a whole archive and of each run: fingerprints and scores are recomputed where all inputs are available."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveBusyError, ArchiveError, PersonaevoError, ProgramError
from personaevo.evolve.controls import recorded_negatives
from personaevo.evolve.parts import DEFAULT_PARTS, OWN_PARTS, ModelRuntime, Parts, make_parts, wanted
from personaevo.evolve.players import DialogueQueue
from personaevo.evolve.prepare import EvaluationSetup, input_digests, load_people, load_tasks, prepare
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import SCORING, Objective, scoring_digest, scoring_of, using
from personaevo.measure.cells import Descriptors
from personaevo.programs import program_id
from personaevo.records import Episode, Evaluation, Run
from personaevo.refine.loop.refined_profiles import result
from personaevo.simulate.episodes import measured
from personaevo.simulate.own_users import AgentSimulator, UserSimulator
from personaevo.simulate.partners import AgentFunction
from personaevo.verify.checks import Report, Verification, check_cells, check_consistency, check_scoring, check_table, near
from personaevo.workers import Workers


def check_run(archive: Archive, run: Run, report: Report, parts: Parts = DEFAULT_PARTS) -> None:
    """Check one run: its fingerprints if features and people are those of the run, and its scores if all other inputs are too."""
    evaluations = {commit.candidate.number: commit.evaluation for commit in archive.commits(run.id) if commit.evaluation is not None}
    pruned = archive.pruned(run.id) & evaluations.keys()
    if pruned:
        some = f"{len(pruned)} of {len(evaluations)} evaluations"
        report.unchecked.append(f"run {run.id}, scores of {some}: compact left their episodes out")
    scoring = archive.scoring(run.id)
    for number, evaluation in evaluations.items():
        check_consistency(run, scoring, evaluation, f"run {run.id}, candidate {number}", report)
    try:
        config, losses, other = _inputs(run)
    except PersonaevoError as error:
        report.unchecked.append(f"run {run.id}, fingerprints and scores: {error}")
        return
    if losses is None:
        report.unchecked.append(f"run {run.id}, fingerprints: it was made with other {' and '.join(other)} than are installed")
    with _setup(archive, run, config, other, report, parts) as setup:
        if setup is not None:
            check_cells(run, setup, report)
            check_scoring(run, scoring, setup.scoring(), report)
        for number, episodes in archive.all_episodes(run.id):
            if number in evaluations:
                _Candidate(f"run {run.id}, candidate {number}", evaluations[number], episodes, report).check(losses, setup)


def _inputs(run: Run) -> tuple[SearchConfig, tuple[str, ...] | None, list[str]]:
    """The run's settings, the text losses of its people (None if features or people are not those of the run), and the names of all inputs
    that differ from the installed ones."""
    settings = {name: value for name, value in run.settings.items() if name in SearchConfig.model_fields}
    config = SearchConfig.model_validate({**settings, "program": None})  # scores do not depend on the seed program
    people = load_people(config)
    installed = input_digests(config, load_tasks(config), people)
    other = [name.removesuffix("_digest") for name, value in installed.items() if run.settings.get(name) != value]
    return config, None if {"features", "people"} & set(other) else people.losses, other


@contextmanager
def _setup(
    archive: Archive, run: Run, config: SearchConfig, other: Sequence[str], report: Report, parts: Parts
) -> Iterator[EvaluationSetup | None]:
    """The evaluation set-up of the run, prepared again; None, and a note in the report, if that is not possible."""
    parts = _with_stored(archive, run, report, parts)
    differs = f"it was made with other {' and '.join(other)} than are installed" if other else ""
    why = _other_parts(run, parts) or _other_scoring(run) or differs
    if config.agent is not None:  # a module named in an archive is never imported
        why = f"its agent {config.agent} would have to play again"
    setup = None
    if not why:
        try:
            setup = _prepared(archive, config, parts)
        except PersonaevoError as error:
            why = str(error)
    inputs = {"profiles_digest": "profiles", "negatives": "negatives", "negatives_digest": "negatives"}
    changed = [word for name, word in inputs.items() if setup is not None and setup.inputs.get(name) != run.settings.get(name)]
    if changed:
        setup, why = None, f"it was made with other {changed[0]} than are installed"
    if setup is None:
        report.unchecked.append(f"run {run.id}, scores: {why}")
    yield setup


def _with_stored(archive: Archive, run: Run, report: Report, parts: Parts) -> Parts:
    """The parts, with the stored negatives of a run whose dialogues were played outside: only their player could play them again."""
    outside = (run.settings.get(OWN_PARTS) or {}).get("outside")
    if outside is None:
        return parts
    report.unchecked.append(f"run {run.id}, negatives of the judge: {outside} played them; the stored ones are used")
    return replace(parts, outside=DialogueQueue(outside), negatives=recorded_negatives(archive.scoring(run.id).controls))


def _other_parts(run: Run, parts: Parts) -> str:
    """The reason why the scores of a run cannot be recomputed, if the run used other custom parts; else empty."""
    theirs, ours = run.settings.get(OWN_PARTS) or {}, parts.recorded().get(OWN_PARTS, {})
    if {**theirs, "selection": ""} == {**ours, "selection": ""}:  # the selection of parents changes no score
        return ""
    named = ", ".join(f"{name} {value}" for name, value in theirs.items()) or "none"
    return f"it was made with custom parts ({named}): give the same ones to personaevo.verify.verify"


def _other_scoring(run: Run) -> str:
    """The reason why the scores of a run cannot be recomputed, if it was scored by another scoring; else empty."""
    made_by = scoring_of(run.settings)
    if made_by != SCORING:
        return f"made by scoring {made_by}, this personaevo scores by {SCORING}"
    return "" if run.settings.get("scoring_digest") == scoring_digest() else "it was made with other objectives than are installed"


def _prepared(archive: Archive, config: SearchConfig, parts: Parts) -> EvaluationSetup:
    if not wanted(config, parts):
        with Workers(1) as workers:
            return prepare(config, workers, parts=parts)
    offline = config.model_copy(update={"replay": archive.path})
    with ModelRuntime(offline, archive, parts=parts) as runtime, Workers(1) as workers:
        return prepare(offline, runtime.pool, runtime.players, parts=parts) if runtime.plays else prepare(offline, workers, parts=parts)


@dataclass(frozen=True)
class _Candidate:
    """One evaluated candidate with its episodes (at least one)."""

    where: str
    evaluation: Evaluation
    episodes: tuple[Episode, ...]
    report: Report

    def check(self, losses: tuple[str, ...] | None, setup: EvaluationSetup | None) -> None:
        """Check the fingerprints if ``losses`` is given, and the plan and scores if ``setup`` is given."""
        if losses is not None:
            self._check_fingerprints(losses)
        self._check_shares()
        if setup is not None:
            self._check_plan(setup)
            self._check_scores(setup)

    def _place(self, episode: Episode) -> str:
        return f"{self.where}, task {episode.item.task_id[:80]}, slot {episode.item.slot}, seed {episode.item.seed}"

    def _check_shares(self) -> None:
        """Check the share of its planned episodes in each cell."""
        counts = Counter(one.cell for one in self.episodes if one.cell is not None)
        stored = {one.cell: one.share for one in self.evaluation.cells}
        for cell in sorted({*counts, *stored}):
            expected = counts[cell] / self.evaluation.planned if counts[cell] else None
            self.report.compare("score", f"{self.where}, cell {cell} (share of its episodes)", stored.get(cell), expected)

    def _check_fingerprints(self, losses: tuple[str, ...]) -> None:
        try:
            again = measured(self.episodes, losses)
        except PersonaevoError as error:
            self.report.add("fingerprint", self.where, error, "dialogues that can be measured")
            return
        for episode, expected in zip(self.episodes, again, strict=True):
            self.report.checked["fingerprints"] += episode.state == "completed"
            if not near(episode.fingerprint, expected.fingerprint):
                stored, made = (json.dumps(one.fingerprint) for one in (episode, expected))
                self.report.add("fingerprint", self._place(episode), stored, f"{made}, as measured")

    def _check_plan(self, setup: EvaluationSetup) -> None:
        """It played the episodes that were planned, all of them, and no others."""
        planned, played = Counter(setup.train_plan.items), Counter(one.item for one in self.episodes)
        for item, count in ((planned - played) + (played - planned)).items():
            missing = item in planned
            where = f"{self.where}, task {item.task_id[:80]}, slot {item.slot}, seed {item.seed}"
            self.report.add("episode", where, "missing" if missing else f"{count} more", "planned" if missing else "not planned")

    def _check_scores(self, setup: EvaluationSetup) -> None:
        """Check the judge's P(human) and the cell of each episode, and the evaluation computed from them."""
        if any(one.state == "completed" and len(one.fingerprint) != len(setup.train.names) for one in self.episodes):
            self.report.add("fingerprint", self.where, "of another length", f"{len(setup.train.names)} features")
            return
        order = {item: place for place, item in enumerate(setup.train_plan.items)}
        episodes = sorted(self.episodes, key=lambda one: order.get(one.item, len(order)))
        evaluation, judged = setup.score(self.evaluation.program_id, episodes)
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
            ours, theirs = (one.replicates if one is not None else () for one in (stored, made))
            if not near(ours, theirs):
                self.report.add("score", f"{self.where}, {name} (without each call)", json.dumps(ours), json.dumps(theirs))
        cells, expected_cells = ({cell.cell: cell for cell in one.cells} for one in (self.evaluation, expected))
        for number in sorted({*cells, *expected_cells}):
            for part in ("share", "score", "se"):
                found, wanted_value = getattr(cells.get(number), part, None), getattr(expected_cells.get(number), part, None)
                self.report.compare("score", f"{self.where}, cell {number} ({part})", found, wanted_value)
        if self.evaluation.remarks != expected.remarks:
            both = (self.evaluation.remarks, expected.remarks)
            before, again = (", ".join(f"{one.wanted} {one.feature}" for one in remarks) or "none" for remarks in both)
            self.report.add("remarks", self.where, before, again)


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

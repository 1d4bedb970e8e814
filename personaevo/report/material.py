"""What the page is made of, read from an archive; people's figures and the persona-free simulator from the installed content.

An archive may come from anybody: no file that it names is opened. Figures of people count only if they are those the run was measured
against, by their digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from personaevo import definitions, reference
from personaevo.archive import Archive, Elite
from personaevo.config import SearchConfig
from personaevo.errors import InputError, PersonaevoError
from personaevo.evolve.plan import make_plan
from personaevo.evolve.prepare import input_digests, load_people, load_tasks
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.models.ledger import Spent
from personaevo.records import Commit, Episode, Evaluation, Run, TableRow
from personaevo.reference import Reference

WITH_DIALOGUES, WITH_SOURCE = 40, 200  # candidates, at most
_FREE_EPISODES = 200
_SCHEMA_WITH_CALLS = 3
_OBJECTIVES = {"score", "human_likeness", "coverage", "task_preservation"}


@dataclass(frozen=True)
class Compared:
    """What programs are compared with on the page: the people that steered the search, and the persona-free simulator's episodes on the
    same tasks. What is not at hand is None, or no episodes, and ``missing`` says why, a sentence for each."""

    people: Reference | None
    persona_free: tuple[Episode, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """One run as the page shows it. ``episodes`` has those of the candidates whose dialogues are shown, by candidate number; ``sourced``
    numbers the candidates whose source is."""

    file: str
    run: Run
    commits: Sequence[Commit]
    elites: Sequence[Elite]
    table: Sequence[TableRow]
    finals: Sequence[Evaluation]
    spending: Mapping[str, Spent]
    episodes: Mapping[int, tuple[Episode, ...]]
    sourced: frozenset[int]
    compared: Compared

    @property
    def floor(self) -> float:
        """The task preservation below which a program owns no cell."""
        return float(self.run.settings.get("preservation_floor", 0.0))

    @property
    def calls(self) -> int:
        """``generate`` calls of an evaluation, which its intervals are over."""
        return int(self.run.settings.get("task_count", 2))

    def holds_floor(self, commit: Commit) -> bool:
        """Whether a candidate that was scored left the tasks untouched."""
        return commit.evaluation is not None and commit.evaluation.objectives["task_preservation"].value >= self.floor

    def scored(self) -> list[Commit]:
        """The candidates that were evaluated, by number; without those whose objectives a damaged file does not hold."""
        return [
            one for one in self.commits
            if one.candidate.state == "evaluated" and one.evaluation is not None and one.evaluation.objectives.keys() >= _OBJECTIVES
        ]  # fmt: skip

    def best(self) -> Commit | None:
        """The winner of the finals; before there is one, the best score so far among those that hold the floor."""
        named = {row.program_id for row in self.table if row.row == "evolved"}
        return next((one for one in self.commits if one.candidate.program.id in named), None) or next(iter(ranked(self)), None)


def gather(archive: Archive, run_id: int | None = None, human: Path | None = None) -> Material:
    """Reads one run (the latest, if none is given). ``human`` is the file of people that the run was measured against.

    Raises:
        ArchiveError: the archive cannot be read, or has no such run.
        InputError, ReferenceDataError: ``human`` cannot be read, or holds other people than the run's.
    """
    run = archive.run(run_id)
    material = Material(
        file=archive.path.name,
        run=run,
        commits=archive.commits(run.id),
        elites=archive.elites(run.id),
        table=archive.table(run.id),
        finals=archive.finals(run.id),
        spending=_spending(archive, run.id),
        episodes={},
        sourced=frozenset(),
        compared=compared(run, human),
    )
    shown = _by_interest(material)
    return replace(
        material,
        episodes={number: archive.episodes(run.id, number) for number in shown[:WITH_DIALOGUES]},
        sourced=frozenset(shown[:WITH_SOURCE]),
    )


def ranked(material: Material) -> list[Commit]:
    """Evaluated candidates that hold the floor, the best search score first (the earlier one on ties)."""
    return sorted(filter(material.holds_floor, material.scored()), key=lambda one: -_score(one))


def _score(commit: Commit) -> float:
    return commit.evaluation.objectives["score"].value if commit.evaluation and "score" in commit.evaluation.objectives else -1.0


def _spending(archive: Archive, run_id: int) -> dict[str, Spent]:
    if archive.summary()["schema"] < _SCHEMA_WITH_CALLS:
        return {}
    return {role: Spent(*sums) for role, sums in archive.calls().sums(run_id).items()}


def _by_interest(material: Material) -> list[int]:
    """Numbers of all candidates in the order in which they deserve room: named in the final table, finalists, elites, then by score; with
    each its way from the seed program after those; last what failed."""
    first: dict[str, Commit] = {}
    for commit in material.commits:
        first.setdefault(commit.candidate.program.id, commit)
    best = material.best()
    named = [
        *([best.candidate.program.id] if best else []),
        *(row.program_id for row in material.table if row.program_id),
        *(one.program_id for one in material.finals),
        *(one.program_id for one in material.elites),
    ]
    order = [first[one] for one in named if one in first]
    for commit in list(order):
        order += _ancestors(commit, first)
    rest = sorted(material.commits, key=lambda one: (one.evaluation is None, -_score(one)))
    return list(dict.fromkeys(commit.candidate.number for commit in (*order, *rest)))


def _ancestors(commit: Commit, first: Mapping[str, Commit]) -> list[Commit]:
    """First parents back to the seed program; a file could hold a circle of them."""
    way: list[Commit] = []
    seen = {commit.candidate.program.id}
    while commit.candidate.parents and commit.candidate.parents[0] in first and commit.candidate.parents[0] not in seen:
        commit = first[commit.candidate.parents[0]]
        seen.add(commit.candidate.program.id)
        way.append(commit)
    return way


# --- people, and the simulator without personas


def compared(run: Run, human: Path | None = None) -> Compared:
    """People and persona-free episodes for a run, as far as they are at hand and are those it was measured against.

    Raises:
        InputError, ReferenceDataError: ``human`` cannot be read, or holds other people than the run's.
    """
    given = {name: value for name, value in run.settings.items() if name in SearchConfig.model_fields}
    config = SearchConfig.model_validate(given)
    if config.human is not None and human is None:
        why = "The run was measured against people from a file, which is not opened on an archive's word: give it with --human FILE."
        return Compared(None, (), (why,))
    if config.domain_folder is not None or config.domain not in definitions.domain_names():
        return Compared(None, (), (f"The domain {config.domain!r} is not installed here, so its people are not at hand.",))
    try:
        return _installed(config.model_copy(update={"human": human, "tasks": None}), run, human)
    except PersonaevoError as error:
        if human is not None:
            raise
        return Compared(None, (), (f"The people of the run are not at hand: {error}.",))


def _installed(config: SearchConfig, run: Run, human: Path | None) -> Compared:
    people, tasks = load_people(config), load_tasks(config)
    now = input_digests(config, tasks, people)
    other = {name.removesuffix("_digest") for name, digest in now.items() if run.settings.get(name) != digest}
    if other & {"people", "features"}:
        if human is not None:
            raise InputError(f"{human}: these are not the people that run {run.id} was measured against; give its search's own file")
        return Compared(None, (), ("The people installed here are not those the run was measured against, so they are left out.",))
    steering, _ = reference.split(people, config.seed)
    if config.models or config.agent is not None:
        why = "The persona-free simulator is left out of the plots: models played in this run, and none is asked for a report."
        return Compared(steering, (), (why,))
    if other or run.settings.get("tasks") is not None:
        why = "The persona-free simulator is left out of the plots: the run's tasks or wording are not those installed here."
        return Compared(steering, (), (why,))
    plan = make_plan(tasks["train"], at_most=config.task_count, personas=config.personas, seed=config.seed, purpose="train")
    played = roll_out(Rollout(None, replace(plan, items=plan.items[:_FREE_EPISODES]), config.domain, people.losses, config.sandbox))
    return Compared(steering, played, ())

"""Everything a search needs before its first candidate: tasks, people, the judge, the cells, the plans."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from personaevo import content, definitions, readers, reference
from personaevo.config import SearchConfig
from personaevo.crew import Crew
from personaevo.errors import ConfigError, InputError, ProgramError, ReferenceDataError
from personaevo.evolve import profiles
from personaevo.evolve.cast import Cast
from personaevo.evolve.cell_names import named
from personaevo.evolve.plan import Plan, make_plan
from personaevo.evolve.profiles import Profiles
from personaevo.evolve.rollout import Rollout, play
from personaevo.judge.discriminator import Discriminator, train
from personaevo.judge.panel import Panel
from personaevo.measure.coverage import tessellate
from personaevo.programs import Call, Sandbox
from personaevo.programs.dials import dial_table
from personaevo.programs.source import make_program
from personaevo.records import Episode, Evaluation, Program, Task, Tier
from personaevo.reference import Reference
from personaevo.workers import Workers

# Persona-free dialogues that the judge is trained against: with the embedded engine, and where each costs model calls.
_CONTROL_DIALOGUES, _CONTROL_DIALOGUES_OF_MODELS = 400, 60


@dataclass(frozen=True)
class Bench:
    """What candidates are measured on. ``train`` steers the search (the finals on their own episodes); ``test`` (other tasks, other people)
    is looked at once, at the end. ``inputs`` are digests of the tasks, people, features, domain, profiles and seed program: a resumed
    search must have the same. ``cell_names`` name the cells, ``notes`` are what whoever began the search should be told."""

    domain: str
    losses: tuple[str, ...]
    seed_program: Program
    train_plan: Plan
    final_plan: Plan
    test_plan: Plan
    train: Panel
    test: Panel
    inputs: dict[str, str]
    tier: Tier
    cell_names: tuple[str, ...]
    cast: Cast | None = None
    notes: tuple[str, ...] = ()

    def rollout(self, source: str | None, plan: Plan, candidate: int | None = None) -> Rollout:
        """The piece of work that plays ``source`` on a plan."""
        return Rollout(source, plan, self.domain, self.losses, self.tier, self.cast, candidate)

    def score(self, program_id: str, episodes: Sequence[Episode]) -> tuple[Evaluation, tuple[Episode, ...]]:
        """A program's evaluation by the people that steer the search, and its episodes as judged."""
        evaluation, judged = self.train.score(program_id, episodes)
        return replace(evaluation, tier=self.tier), judged

    def cells(self) -> list[dict[str, Any]]:
        """The cells as the archive keeps them: number, name, people's mass, centroid (standardized)."""
        return [
            {"cell": index, "name": self.cell_names[index], "mass": float(mass), "centroid": [float(value) for value in centroid]}
            for index, (mass, centroid) in enumerate(zip(self.train.cells.masses, self.train.cells.centroids, strict=True))
        ]


def prepare(config: SearchConfig, workers: Workers | Crew, cast: Cast | None = None) -> Bench:
    """Loads, checks and trains. The people are split in two halves by person: one steers, one is kept for the end. ``cast`` plays, where
    that is not the embedded engine.

    Raises:
        InputError, ConfigError, ReferenceDataError, ArchiveError: something given cannot be used.
    """
    definitions.domain(config.domain_place)
    tasks = load_tasks(config)
    people = load_people(config)
    search_half, test_half = reference.split(people, config.seed)
    given = profiles.load(config, search_half, test_half)
    seed_program = load_program(config, given)
    if given is not None and given.cells is not None:
        cells, cell_names = given.cells, given.cell_names
    else:
        cells = tessellate(search_half.values, config.cells, config.seed)
        cell_names = tuple(named(cells.centroids, cells.standard))
    control = _Control(config, people, workers, cast)
    train_judge = control.judge(search_half, tasks["train"], "train")
    test_judge = control.judge(test_half, tasks["test"], "test")
    held_out = Panel(
        "test", test_judge, cells.with_masses(test_half.values), test_half.values, search_half.values, people.names, config.seed
    )
    return Bench(
        domain=config.domain_place,
        losses=people.losses,
        seed_program=seed_program,
        train_plan=make_plan(tasks["train"], at_most=config.task_count, personas=config.personas, seed=config.seed, purpose="train"),
        final_plan=make_plan(tasks["train"], at_most=config.test_tasks, personas=config.test_personas, seed=config.seed, purpose="final"),
        test_plan=make_plan(tasks["test"], at_most=config.test_tasks, personas=config.test_personas, seed=config.seed, purpose="test"),
        train=Panel("train", train_judge, cells, search_half.values, None, people.names, config.seed),
        test=held_out,
        inputs={**input_digests(config, tasks, people), **({} if given is None else given.inputs), "seed_program": seed_program.id},
        tier=config.sandbox,
        cell_names=cell_names,
        cast=cast,
        notes=() if given is None else given.notes,
    )


def input_digests(config: SearchConfig, tasks: dict[str, list[Task]], people: Reference) -> dict[str, str]:
    """Digests of what a run is measured with, under the names of its settings: tasks, people, domain, features."""
    return {
        "tasks_digest": _digest(tasks),
        "people_digest": people.digest,
        "domain_digest": _digest(definitions.domain(config.domain_place).content()),
        "features_digest": _digest(definitions.features(), list(definitions.dials().values())),
    }


def _digest(*things: object) -> str:
    """A short digest of plain records (their ``repr``)."""
    return hashlib.blake2b(repr(things).encode(), digest_size=8).hexdigest()


def control_dialogues(config: SearchConfig, *, models: bool) -> int:
    """How many persona-free dialogues the judge is trained against; ``models`` tells whether each costs calls."""
    return config.control_dialogues or (_CONTROL_DIALOGUES_OF_MODELS if models else _CONTROL_DIALOGUES)


def load_tasks(config: SearchConfig) -> dict[str, list[Task]]:
    """Train and test tasks of the domain, or of the file given.

    Raises:
        InputError: a part has fewer than two tasks.
    """
    path = config.tasks or definitions.domain_files(config.domain_place).tasks
    tasks = readers.read_tasks(path)
    parts = {split: [task for task in tasks if task.split == split] for split in ("train", "test")}
    for split, found in parts.items():
        if len(found) < 2:
            raise InputError(f"{path}: {len(found)} tasks are marked '{split}', at least 2 are needed: set their field 'split'")
    return parts


def load_people(config: SearchConfig) -> Reference:
    """The people to be like: the domain's own figures, or those of the file given (a built reference, or dialogues).

    Raises:
        InputError, ReferenceDataError: the file cannot be used; or none is given for a domain that has no reference.
    """
    own = definitions.domain_files(config.domain_place).reference
    if config.human is not None:
        return reference.read(config.human, domain=config.domain)
    if own.exists():
        return reference.load(own)
    advice = f"give dialogues with --human FILE, or keep their figures: personaevo reference build … --domain {config.domain} --out {own}"
    raise ReferenceDataError(f"domain '{config.domain}' has no people to compare with: {advice}")


def load_program(config: SearchConfig, given: Profiles | None = None) -> Program:
    """The seed program: the one given, that of the profiles given, the domain's own, or the one all domains share.

    Raises:
        ConfigError: the file given cannot be read.
        ProgramError: it is not a persona program.
    """
    if given is not None and config.program is None:
        return make_program(given.source)
    own = definitions.domain_files(config.domain_place).program
    path = config.program or (own if own.exists() else content.root("seeds") / "program.py")
    try:
        return make_program(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"seed program {path} cannot be read ({reason.lower()}): give a Python file") from None
    except ProgramError as error:
        raise ProgramError(f"seed program {path}: {error}") from None


def try_seed_program(bench: Bench) -> None:
    """Run the seed program on its tasks: a search from a program that cannot run is a wasted evening.

    Raises:
        ProgramError: it fails on all of them, with the first reason.
    """
    plan = bench.train_plan
    calls = [Call(task, plan.personas, plan.generate_seed(task.id)) for task in plan.tasks]
    if bench.cast is not None:
        with bench.cast.boxes.one() as box:
            results = box.run_many(bench.seed_program.source, calls, bench.cast.generator)
    else:
        with Sandbox(dial_table(), tier=bench.tier) as sandbox:
            results = sandbox.run_many(bench.seed_program.source, calls)
    if all(result.fault == "program" for result in results):
        raise ProgramError(f"the seed program fails on every task: {results[0].reason}")


@dataclass(frozen=True)
class _Control:
    """The persona-free simulator on the same tasks, with the same text losses: what the judge tells people from."""

    config: SearchConfig
    people: Reference
    workers: Workers | Crew
    cast: Cast | None

    def judge(self, people: Reference, tasks: Sequence[Task], purpose: str) -> Discriminator:
        played = self.cast is not None and bool(self.cast.make_user or self.cast.make_agent)
        wanted = control_dialogues(self.config, models=played)
        count = min(len(tasks), wanted)
        plan = make_plan(tasks, at_most=count, personas=max(1, wanted // count), seed=self.config.seed, purpose=f"control {purpose}")
        episodes = [one for one in self.episodes(plan) if one.state == "completed"]
        values = np.array([episode.fingerprint for episode in episodes])
        return train(people.values, people.people, values, [episode.item.task_id for episode in episodes], self.config.seed)

    def episodes(self, plan: Plan) -> tuple[Episode, ...]:
        work = Rollout(None, plan, self.config.domain_place, self.people.losses, self.config.sandbox, self.cast)
        return play(self.workers, [work])[0]

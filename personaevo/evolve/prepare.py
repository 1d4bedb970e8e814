"""Everything a search needs before its first candidate: tasks, people, the judge, the cells, the plans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personaevo import cache, content, definitions, readers, reference
from personaevo.config import SearchConfig
from personaevo.crew import Crew
from personaevo.errors import ConfigError, InputError, ProgramError, ReferenceDataError
from personaevo.evolve import calibrated, negatives, profiles
from personaevo.evolve.cast import Cast
from personaevo.evolve.cell_names import named
from personaevo.evolve.names import AUDITOR_SEES
from personaevo.evolve.parts import OURS, Parts
from personaevo.evolve.plan import Plan, make_plan
from personaevo.evolve.profiles import Profiles
from personaevo.evolve.rollout import Rollout
from personaevo.evolve.start import Making, Start, costs, key_of
from personaevo.judge.objectives import SCORING, floors, objectives, scoring_digest
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import Setting
from personaevo.measure import agreement
from personaevo.measure.cells import tessellate
from personaevo.programs import Call, Sandbox
from personaevo.programs.dials import dial_table
from personaevo.programs.source import make_program
from personaevo.records import Control, Episode, Evaluation, Persona, Program, Scoring, Task, Tier
from personaevo.reference import Reference
from personaevo.workers import Workers

SCREEN_TASKS, SCREEN_PERSONAS = 10, 3  # of a stand-in: its dialogues cost a millisecond each
Response = Callable[[dict[str, float]], dict[str, float]]


@dataclass(frozen=True)
class Bench:
    """What candidates are measured on. ``train`` steers the search (the finals on their own episodes); ``test`` (other tasks, other people)
    is looked at once, at the end, in the ``setting`` of its table. ``screen_plan`` is what a stand-in plays. ``inputs`` are digests of the
    tasks, people, features, domain, profiles, seed program and scoring: a resumed search must have the same. ``cell_names`` name the
    cells, ``notes`` are what whoever began the search should be told. ``steering`` and ``kept`` are the two
    halves of the people, ``controls`` the dialogues that the judges were trained against, ``start_key`` names in the cache what was made
    before the first candidate ("" where models play: that is not kept), ``assumed`` says what had to be assumed of people
    ("" if nothing)."""

    domain: str
    losses: tuple[str, ...]
    seed_program: Program
    train_plan: Plan
    final_plan: Plan
    test_plan: Plan
    screen_plan: Plan
    train: Scorer
    setting: Setting
    steering: Reference
    kept: Reference
    floors: Mapping[str, float]
    people_draws: int
    inputs: dict[str, Any]
    tier: Tier
    cell_names: tuple[str, ...]
    start_key: str = ""
    cast: Cast | None = None
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    assumed: str = ""
    response: Response | None = None  # which dials are shown when a model is asked for dials (its calibration)

    @property
    def models(self) -> bool:
        """Whether dialogues cost calls."""
        return costs(self.cast)

    @property
    def test(self) -> Scorer:
        """The scorer of the final table."""
        return self.setting.scorer

    def rollout(
        self, source: str | None, plan: Plan, candidate: int | None = None, personas: Mapping[tuple[str, int], Persona] | None = None,
        cast: Cast | None = None,
    ) -> Rollout:  # fmt: skip
        """The piece of work that plays ``source`` (or ``personas``) on a plan; with ``cast`` other players do."""
        return Rollout(source, plan, self.domain, self.losses, self.tier, cast or self.cast, candidate, personas)

    def score(self, program_id: str, episodes: Sequence[Episode]) -> tuple[Evaluation, tuple[Episode, ...]]:
        """A program's evaluation by the people that steer the search, and its episodes as judged."""
        evaluation, judged = self.train.score(program_id, episodes)
        return replace(evaluation, tier=self.tier), judged

    def cells(self) -> list[dict[str, Any]]:
        """The cells as the archive keeps them: number, name, people's mass, centroid (standardized), and how far it reaches."""
        return [
            {"cell": index, "name": self.cell_names[index], "mass": float(mass), "centroid": [float(value) for value in centroid],
             "reach": self.train.cells.reach}
            for index, (mass, centroid) in enumerate(zip(self.train.cells.masses, self.train.cells.centroids, strict=True))
        ]  # fmt: skip

    def scoring(self) -> Scoring:
        """What the run is scored by, as the archive keeps it."""
        rules = {one.name: (one.role, one.direction, self.floors.get(one.name), one.version) for one in objectives()}
        planned = [(self.train, len(plan.items)) for plan in (self.train_plan, self.final_plan)] + [(self.test, len(self.test_plan.items))]
        levels = {
            (scorer.split, n, name): level
            for scorer, n in planned for name, level in scorer.levels(n).items() if level is not None
        }  # fmt: skip
        return Scoring(rules, tuple((*place, level) for place, level in levels.items()), self.controls)


def prepare(
    config: SearchConfig, workers: Workers | Crew, cast: Cast | None = None, told: Callable[[list[Rollout]], None] = lambda _: None,
    *, tried: bool = True, parts: Parts = OURS,
) -> Bench:  # fmt: skip
    """Loads, checks and trains. The people are split in two halves by person: one steers, one is kept for the end. ``cast`` plays, where
    that is not the embedded engine; ``told`` hears what the judge is going to be trained against, if dialogues cost calls. A
    seed program that was not ``tried`` yet is run on its tasks before anything is played. ``parts`` are those of one's own.

    Raises:
        InputError, ConfigError, ReferenceDataError, ArchiveError: something given cannot be used.
        ProgramError: the seed program fails on all of its tasks.
        ModelError: no dialogue could be played.
    """
    definitions.domain(config.domain_place)
    tasks = load_tasks(config)
    people, assumed = with_agreement(load_people(config))
    steering, kept = reference.split(people, config.seed)
    given = profiles.load(config, steering, kept)
    seed_program = load_program(config, given)
    if given is not None and given.cells is not None:
        cells, cell_names = given.cells, given.cell_names
    else:
        cells = tessellate(steering.values, config.cells, config.seed, descriptors=parts.descriptors)
        cell_names = tuple(named(cells.centroids, cells.standard))
    train_plan = make_plan(tasks["train"], at_most=config.task_count, personas=config.personas, seed=config.seed, purpose="train")
    if not tried:
        try_program(seed_program, train_plan, config.sandbox, cast)
    plans = {
        purpose: make_plan(tasks[split], at_most=config.test_tasks, personas=config.test_personas, seed=config.seed, purpose=purpose)
        for purpose, split in (("final", "train"), ("test", "test"))
    }
    models = costs(cast)
    inputs = {
        **input_digests(config, tasks, people), **({} if given is None else given.inputs), "seed_program": seed_program.id,
        "negatives": json.dumps(negatives.kinds(config, models=models)), "negatives_digest": negatives.digest(config, models=models),
        **scoring_inputs(), **calibrated.inputs(config), **parts.recorded(),
        **({} if people.typing is None else {AUDITOR_SEES: f"typing {people.typing_version}"}),
    }  # fmt: skip
    profiled = given is not None and given.cells is not None
    make = Making(config, people, steering, kept, cells, tasks, workers, cast, told, profiled, parts)
    sizes = {"train": (len(train_plan.items), len(plans["final"].items)), "test": (len(plans["test"].items),)}
    key = "" if models or parts.recorded() else key_of(config, sizes, {**inputs, "seed_program": ""})
    start = cache.made(key, Start, lambda: make.start(sizes)) if key else make.start(sizes)
    return Bench(
        domain=config.domain_place,
        losses=people.losses,
        seed_program=seed_program,
        train_plan=train_plan,
        final_plan=plans["final"],
        test_plan=plans["test"],
        screen_plan=make_plan(tasks["train"], at_most=SCREEN_TASKS, personas=SCREEN_PERSONAS, seed=config.seed, purpose="screen"),
        train=start.train,
        setting=start.setting,
        steering=steering,
        kept=kept,
        floors=run_floors(config),
        people_draws=config.people_draws,
        inputs=inputs,
        tier=config.sandbox,
        cell_names=cell_names,
        start_key=key,
        cast=cast,
        notes=() if given is None else given.notes,
        assumed=assumed,
        response=None if (found := calibrated.calibration_of(config)) is None else found.response,
        controls=(*negatives.stored("train", start.negatives), *negatives.stored("test", start.setting.negatives)),
    )


def with_agreement(people: Reference) -> tuple[Reference, str]:
    """The people with how consistent they are; where their dialogues do not show it, that of other corpora, and a sentence that says so."""
    if people.agreement is not None:
        return people, ""
    found = agreement.assumed(reference.installed_ratios())
    needs = f"{agreement.MIN_PEOPLE} people with two dialogues, or as many dialogues of {agreement.MIN_HALVED_TURNS} user turns"
    figures = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}) is assumed, as other corpora show"
    return replace(people, agreement=found), f"how consistent these people are cannot be measured (that takes {needs}): {figures}"


def run_floors(config: SearchConfig) -> dict[str, float]:
    """The floors of a run: those of the objectives, with the one that the settings know."""
    return {name: config.preservation_floor if name == "task_preservation" else floor for name, floor in floors().items()}


def scoring_inputs() -> dict[str, str]:
    """The version and digest of how scores are made."""
    return {"scoring": str(SCORING), "scoring_digest": scoring_digest()}


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


def try_program(program: Program, plan: Plan, tier: Tier, cast: Cast | None) -> None:
    """Run the seed program on its tasks: a search from a program that cannot run is a wasted evening.

    Raises:
        ProgramError: it fails on all of them, with the first reason.
    """
    calls = [Call(task, plan.personas, plan.generate_seed(task.id)) for task in plan.tasks]
    if cast is not None:
        with cast.boxes.one() as box:
            results = box.run_many(program.source, calls, cast.generator)
    else:
        with Sandbox(dial_table(), tier=tier) as sandbox:
            results = sandbox.run_many(program.source, calls)
    if all(result.fault == "program" for result in results):
        raise ProgramError(f"the seed program fails on every task: {results[0].reason}")

"""Preparation of a search: tasks, people, seed program, cells, plans, and the trained judges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personaevo import cache, content, definitions, readers, reference
from personaevo.config import SearchConfig
from personaevo.errors import ConfigError, InputError, ProgramError, ReferenceDataError
from personaevo.evolve import profiles
from personaevo.evolve.controls import PreparedScorers, ScorerBuilder, costs, key_of, negative_kinds, negative_records, negatives_digest
from personaevo.evolve.parts import DEFAULT_PARTS, Parts, calibration_of
from personaevo.evolve.players import Players
from personaevo.evolve.profiles import Profiles, named
from personaevo.evolve.ranking import AUDITOR_SEES
from personaevo.evolve.rollout import Plan, Rollout, make_plan
from personaevo.judge.objectives import SCORING, floors, objectives, scoring_digest
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import TableSetting
from personaevo.measure import agreement
from personaevo.measure.cells import Cells, tessellate
from personaevo.programs import Call, Sandbox
from personaevo.programs.personas import dial_table
from personaevo.programs.source import make_program
from personaevo.records import Control, Episode, Evaluation, Persona, Program, Scoring, Task, Tier
from personaevo.reference import Reference
from personaevo.renamed import old_names
from personaevo.workers import WorkerPool

SCREEN_TASKS, SCREEN_PERSONAS = 10, 3  # for the surrogate, whose dialogues take a millisecond each
Response = Callable[[dict[str, float]], dict[str, float]]


@dataclass(frozen=True)
class EvaluationSetup:
    """The evaluation set-up of a search: plans, scorers and people.

    Attributes:
        train_plan, final_plan: plans of candidates and of finals, scored by ``train``, which steers the search.
        test_plan: plan of the final table, on other tasks and other people, scored once at the end in its ``setting``.
        screen_plan: plan of the surrogate.
        steering, kept: the two halves of the people; the second is held out for the end.
        inputs: digests of tasks, people, features, domain, profiles, seed program and scoring; resuming requires the same.
        start_key: cache key of the scorers; "" if models play, and nothing is cached.
        notes: warnings for the user about profiles.
        controls: the dialogues that the judges were trained against.
        assumed: warning about an assumption on people; "" if there is none.
        response: maps requested dials to those that the user model shows, by its calibration.
    """

    domain: str
    losses: tuple[str, ...]
    seed_program: Program
    train_plan: Plan
    final_plan: Plan
    test_plan: Plan
    screen_plan: Plan
    train: Scorer
    setting: TableSetting
    steering: Reference
    kept: Reference
    floors: Mapping[str, float]
    people_draws: int
    inputs: dict[str, Any]
    tier: Tier
    cell_names: tuple[str, ...]
    start_key: str = ""
    players: Players | None = None
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    assumed: str = ""
    response: Response | None = None

    @property
    def models(self) -> bool:
        """Whether dialogues cost calls."""
        return costs(self.players)

    @property
    def test(self) -> Scorer:
        """The scorer of the final table."""
        return self.setting.scorer

    def rollout(
        self, source: str | None, plan: Plan, candidate: int | None = None, personas: Mapping[tuple[str, int], Persona] | None = None,
        players: Players | None = None,
    ) -> Rollout:  # fmt: skip
        """The work item that plays ``source`` (or ``personas``) on a plan; ``players`` replaces the players."""
        return Rollout(source, plan, self.domain, self.losses, self.tier, players or self.players, candidate, personas)

    def score(self, program_id: str, episodes: Sequence[Episode]) -> tuple[Evaluation, tuple[Episode, ...]]:
        """Evaluation of a program by the people that steer the search, and its judged episodes."""
        evaluation, judged = self.train.score(program_id, episodes)
        return replace(evaluation, tier=self.tier), judged

    def cells(self) -> list[dict[str, Any]]:
        """The cells as records of the archive: number, name, people's mass, standardized centroid, and reach."""
        return [
            {"cell": index, "name": self.cell_names[index], "mass": float(mass), "centroid": [float(value) for value in centroid],
             "reach": self.train.cells.reach}
            for index, (mass, centroid) in enumerate(zip(self.train.cells.masses, self.train.cells.centroids, strict=True))
        ]  # fmt: skip

    def scoring(self) -> Scoring:
        """The scoring of the run as a record of the archive: rules, levels and negatives."""
        rules = {one.name: (one.role, one.direction, self.floors.get(one.name), one.version) for one in objectives()}
        planned = [(self.train, len(plan.items)) for plan in (self.train_plan, self.final_plan)] + [(self.test, len(self.test_plan.items))]
        levels = {
            (scorer.split, n, name): level
            for scorer, n in planned for name, level in scorer.levels(n).items() if level is not None
        }  # fmt: skip
        return Scoring(rules, tuple((*place, level) for place, level in levels.items()), self.controls)


def prepare(
    config: SearchConfig, workers: WorkerPool, players: Players | None = None,
    on_negatives: Callable[[list[Rollout]], None] = lambda _: None, *, tried: bool = True, parts: Parts = DEFAULT_PARTS,
) -> EvaluationSetup:  # fmt: skip
    """Load and check the inputs, and train the judges. The people are split by person into two halves: one steers, one is held out.

    Args:
        players: players other than the embedded engine.
        on_negatives: receives the roll-outs of the negatives before they are played, if dialogues cost calls.
        tried: whether the seed program is known to run; otherwise it is run on its tasks first.
        parts: user-defined parts.

    Raises:
        InputError, ConfigError, ReferenceDataError, ArchiveError: an input cannot be used.
        ProgramError: the seed program fails on all of its tasks.
        ModelError: no dialogue could be played.
    """
    given = _loaded(config)
    plans = _plans(config, given.tasks)
    if not tried:
        try_program(given.seed_program, plans["train"], config.sandbox, players)
    inputs = _inputs(config, given, parts, models=costs(players))
    profiled = given.profiles is not None and given.profiles.cells is not None
    make = ScorerBuilder(
        config, given.people, given.steering, given.kept, lambda: _cells(config, given, parts), given.tasks, workers, players, on_negatives,
        profiled, parts,
    )  # fmt: skip
    sizes = {"train": (len(plans["train"].items), len(plans["final"].items)), "test": (len(plans["test"].items),)}
    key = "" if costs(players) or parts.recorded() else key_of(config, sizes, {**inputs, "seed_program": ""})
    start = cache.made(key, PreparedScorers, lambda: make.start(sizes)) if key else make.start(sizes)
    calibration = calibration_of(config)
    limits = {name: config.preservation_floor if name == "task_preservation" else floor for name, floor in floors().items()}
    return EvaluationSetup(
        domain=config.domain_place, losses=given.people.losses, seed_program=given.seed_program, train_plan=plans["train"],
        final_plan=plans["final"], test_plan=plans["test"], screen_plan=plans["screen"], train=start.train, setting=start.setting,
        steering=given.steering, kept=given.kept, floors=limits, people_draws=config.people_draws, inputs=inputs,
        tier=config.sandbox, cell_names=_cell_names(given, start.train.cells), start_key=key, players=players, assumed=given.assumed,
        notes=() if given.profiles is None else given.profiles.notes, response=None if calibration is None else calibration.response,
        controls=(*negative_records("train", start.negatives), *negative_records("test", start.setting.negatives)),
    )  # fmt: skip


@dataclass(frozen=True)
class _Loaded:
    """Inputs of a search as loaded from files."""

    tasks: dict[str, list[Task]]
    people: Reference
    assumed: str
    steering: Reference
    kept: Reference
    profiles: Profiles | None
    seed_program: Program


def _loaded(config: SearchConfig) -> _Loaded:
    """Load domain, tasks, people, profiles and seed program."""
    definitions.domain(config.domain_place)
    tasks = load_tasks(config)
    people, assumed = with_agreement(load_people(config))
    steering, kept = reference.split(people, config.seed)
    given = profiles.load(config, steering, kept)
    return _Loaded(tasks, people, assumed, steering, kept, given, load_program(config, given))


def _cells(config: SearchConfig, given: _Loaded, parts: Parts) -> Cells:
    """The cells: those around profiles, or a tessellation of the people that steer."""
    if given.profiles is not None and given.profiles.cells is not None:
        return given.profiles.cells
    return tessellate(given.steering.values, config.cells, config.seed, descriptors=parts.descriptors)


def _cell_names(given: _Loaded, cells: Cells) -> tuple[str, ...]:
    if given.profiles is not None and given.profiles.cells is not None:
        return given.profiles.cell_names
    return tuple(named(cells.centroids, cells.standard))


def _plans(config: SearchConfig, tasks: Mapping[str, Sequence[Task]]) -> dict[str, Plan]:
    """The plans of candidates, finals, final table and surrogate."""
    sizes = {
        "train": ("train", config.task_count, config.personas),
        "final": ("train", config.test_tasks, config.test_personas),
        "test": ("test", config.test_tasks, config.test_personas),
        "screen": ("train", SCREEN_TASKS, SCREEN_PERSONAS),
    }
    return {
        purpose: make_plan(tasks[split], at_most=count, personas=personas, seed=config.seed, purpose=purpose)
        for purpose, (split, count, personas) in sizes.items()
    }


def _inputs(config: SearchConfig, given: _Loaded, parts: Parts, *, models: bool) -> dict[str, Any]:
    """Settings of the run that identify its inputs (see ``Bench.inputs``)."""
    calibration = calibration_of(config)
    return {
        **input_digests(config, given.tasks, given.people),
        **({} if given.profiles is None else given.profiles.inputs),
        "seed_program": given.seed_program.id,
        "negatives": json.dumps(negative_kinds(config, models=models)),
        "negatives_digest": negatives_digest(config, models=models),
        **scoring_inputs(),
        **({} if calibration is None else {"calibration_digest": calibration.digest}),
        **parts.recorded(),
        **({} if given.people.typing is None else {AUDITOR_SEES: f"typing {given.people.typing_version}"}),
    }


def with_agreement(people: Reference) -> tuple[Reference, str]:
    """The people with their consistency; if their dialogues do not determine it, with that of other corpora and a warning."""
    if people.agreement is not None:
        return people, ""
    found = agreement.assumed(reference.installed_ratios())
    needs = f"{agreement.MIN_PEOPLE} people with two dialogues, or as many dialogues of {agreement.MIN_HALVED_TURNS} user turns"
    figures = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}) is assumed, from other corpora"
    return replace(people, agreement=found), f"the consistency of these people cannot be measured (this needs {needs}): {figures}"


def scoring_inputs() -> dict[str, str]:
    """Version and digest of the scoring, as settings of a run."""
    return {"scoring": str(SCORING), "scoring_digest": scoring_digest()}


def input_digests(config: SearchConfig, tasks: dict[str, list[Task]], people: Reference) -> dict[str, str]:
    """Digests of tasks, people, domain and features, as settings of a run."""
    return {
        "tasks_digest": _digest(tasks),
        "people_digest": people.digest,
        "domain_digest": _digest(definitions.domain(config.domain_place).content()),
        "features_digest": _digest(definitions.features(), list(definitions.dials().values())),
    }


def _digest(*things: object) -> str:
    """Digest of plain records, from their ``repr``."""
    return hashlib.blake2b(repr(things).encode(), digest_size=8).hexdigest()


def load_tasks(config: SearchConfig) -> dict[str, list[Task]]:
    """Train and test tasks of the configured file or of the domain.

    Raises:
        InputError: a split has fewer than two tasks.
    """
    path = config.tasks or definitions.domain_files(config.domain_place).tasks
    tasks = readers.read_tasks(path)
    parts = {split: [task for task in tasks if task.split == split] for split in ("train", "test")}
    for split, found in parts.items():
        if len(found) < 2:
            raise InputError(f"{path}: {len(found)} tasks are marked '{split}', at least 2 are needed: set their field 'split'")
    return parts


def load_people(config: SearchConfig) -> Reference:
    """Reference data of people: from the configured file (a built reference, or dialogues) or of the domain.

    Raises:
        InputError, ReferenceDataError: the file cannot be used, or the domain has no reference and no file is configured.
    """
    own = definitions.domain_files(config.domain_place).reference
    if config.human is not None:
        return reference.read(config.human, domain=config.domain)
    if own.exists():
        return reference.load(own)
    advice = f"give dialogues with --human FILE, or build it: personaevo reference build … --domain {config.domain} --out {own}"
    raise ReferenceDataError(f"domain '{config.domain}' has no reference data of people: {advice}")


def load_program(config: SearchConfig, given: Profiles | None = None) -> Program:
    """The seed program: the configured file, or the program of the profiles, of the domain, or the common default.

    Raises:
        ConfigError: the configured file cannot be read.
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


def try_program(program: Program, plan: Plan, tier: Tier, players: Players | None) -> None:
    """Run the seed program on its tasks, so that a broken one is reported before the search.

    Raises:
        ProgramError: it fails on all of them; the message has the first reason.
    """
    calls = [Call(task, plan.personas, plan.generate_seed(task.id)) for task in plan.tasks]
    if players is not None:
        with players.sandboxes.one() as sandbox:
            results = sandbox.run_many(program.source, calls, players.generator)
    else:
        with Sandbox(dial_table(), tier=tier) as sandbox:
            results = sandbox.run_many(program.source, calls)
    if all(result.fault == "program" for result in results):
        raise ProgramError(f"the seed program fails on every task: {results[0].reason}")

__getattr__ = old_names(__name__)

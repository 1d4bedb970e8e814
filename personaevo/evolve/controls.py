"""Control populations and negative programs, and the training of the judges against them.

Each is a list of dials, one per persona, made from people's fingerprints, which programs never see. A control is either a bound on what
the engine can reach, or a strategy that the score must not reward.

A fingerprint describes one dialogue: the person plus the variation of that dialogue. A persona describes a person, and the engine adds the
variation itself. Copied people are therefore made by ``persons``, which shrinks rows toward the mean until only the variance between
persons is left. Unshrunken rows would have two to three times too much consistency and too much spread. Independent marginals and
caricatures use unshrunken rows: after shrinkage, independent marginals are worse negatives (AUC of the judge against all negatives .82
instead of .84 in charity, .76 instead of .80 in camping).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo import cache, definitions, reference
from personaevo.config import SearchConfig
from personaevo.errors import ContentError, ModelError, ProgramError
from personaevo.evolve.parts import Parts
from personaevo.evolve.players import Players
from personaevo.evolve.ranking import FREE
from personaevo.evolve.rollout import Plan, Rollout, make_plan, play
from personaevo.executors import Carried
from personaevo.judge.discriminator import Discriminator, Negatives, Training, trained
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import OwnParts, People, TableSetting
from personaevo.measure.agreement import assumed
from personaevo.measure.cells import Cells
from personaevo.measure.energy import Space
from personaevo.programs import wasm
from personaevo.programs.source import make_program
from personaevo.records import Control, Episode, Floats, Persona, Program, Split, Task
from personaevo.reference import Reference
from personaevo.simulate.turns import seed_of
from personaevo.workers import WorkerPool

_CARICATURE = 2.0  # factor of a caricature's deviations from the mean
Made = Callable[[Floats, int, np.random.Generator], Floats]


def average_person(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """n copies of one persona with the means of people."""
    found: Floats = np.repeat(people.mean(axis=0)[None], n, axis=0)
    return found


def copied_people(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Copies of people, each once before any is repeated: shows how well the engine plays given dials."""
    found: Floats = people[_drawn(len(people), n, rng)]
    return found


def independent(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Each column drawn from people independently of the others: their marginals without their correlations."""
    return np.column_stack([column[_drawn(len(people), n, rng)] for column in people.T])


def caricatures(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """People with their deviations from the mean doubled."""
    mean = people.mean(axis=0)
    found: Floats = mean + _CARICATURE * (people[_drawn(len(people), n, rng)] - mean)
    return found


CONTROLS: Mapping[str, Made] = {
    "average_person": average_person, "copied_people": copied_people, "independent": independent, "caricatures": caricatures,
}  # fmt: skip
ROWS = ("average_person", "copied_people", "independent")  # rows of final tables
NEGATIVES = ("average_person", "caricatures", "independent")  # of the judge, with the persona-free simulator and the negative programs
OF_PERSONS = ("copied_people",)  # made from shrunken rows (see ``persons``)


def rows(*, models: bool) -> tuple[str, ...]:
    """The controls that are rows of a final table. If dialogues cost calls, only the average person, which a program must beat."""
    return ROWS[:1] if models else ROWS


def personas(name: str, people: Floats, plan: Plan, agreement: float | None = None) -> dict[tuple[str, int], Persona]:
    """The personas of a control for every (task, slot) of a plan, from ``people[n, d]``; equal arguments give equal personas.

    ``agreement`` is the agreement of two dialogues of one person; by default the value of other corpora is assumed.
    """
    slots = plan.slots
    rng = np.random.default_rng(seed_of(plan.seed, plan.purpose, name, "control"))
    if name in OF_PERSONS:
        people = persons(people, assumed(reference.installed_ratios()).value if agreement is None else agreement)
    rows = CONTROLS[name](people, len(slots), rng)
    spoken = name.replace("_", " ")
    return {
        place: Persona(id=f"{name}-{index}", description=f"{spoken}, number {index + 1}", dials=dials_of(row))
        for index, (place, row) in enumerate(zip(slots, rows, strict=True))
    }


def persons(people: Floats, agreement: float) -> Floats:
    """Estimates of persons from single dialogues ``people[n, d]``: every row is shrunk toward the mean by ``sqrt(agreement)``.

    Agreement, an intraclass correlation, is the share of the variance between persons, and exactly this share is left. (Posterior means
    would leave its square and too few extreme persons: Louis 1984, Ghosh 1992.) Features with a log dial are shrunk on the log scale;
    every column keeps its mean.
    """
    known, factor = definitions.dials(), float(np.sqrt(max(agreement, 0.0)))
    columns = []
    for name, column in zip(definitions.features().names, people.T, strict=True):
        log = known[name].scale == "log"
        scaled = np.log(np.maximum(column, known[name].low)) if log else column
        drawn = scaled.mean() + factor * (scaled - scaled.mean())
        columns.append(np.exp(drawn) * column.mean() / np.exp(drawn).mean() if log else drawn)
    return np.column_stack(columns)


def dials_of(row: Floats) -> dict[str, float]:
    """Convert a fingerprint to dials, clipped to their ranges."""
    known, names = definitions.dials(), definitions.features().names
    clipped = np.clip(row, [known[name].low for name in names], [known[name].high for name in names])
    return dict(zip(names, clipped.tolist(), strict=True))


def _drawn(size: int, n: int, rng: np.random.Generator) -> Any:
    """Draw n of ``size`` rows, each once before any is repeated."""
    return np.concatenate([rng.permutation(size) for _ in range(-(-n // size))])[:n]


_DIALOGUES, _DIALOGUES_OF_MODELS = 200, 60  # dialogues of each kind, with the embedded engine and with models
_PROGRAM_TASKS, _PROGRAM_PERSONAS = 5, 4  # for each negative program


@dataclass(frozen=True)
class NegativeWork:
    """A work item: a kind of negatives and its roll-out."""

    kind: str
    rollout: Rollout


def negative_programs(place: str) -> list[Program]:
    """The negative programs of a domain in the order of file names; empty if the domain has none.

    Raises:
        ContentError: a file cannot be read or is no persona program.
    """
    folder = definitions.domain_files(place).negatives
    found = []
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        try:
            found.append(make_program(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, ProgramError) as error:
            raise ContentError(f"{path}: not a negative program of domain '{place}' ({error}): restore or remove it") from None
    return found


def dialogues_per_kind(config: SearchConfig, *, models: bool) -> int:
    """Number of dialogues of each kind; ``models`` tells whether each costs calls."""
    return config.control_dialogues or (_DIALOGUES_OF_MODELS if models else _DIALOGUES)


def negative_kinds(config: SearchConfig, *, models: bool) -> dict[str, int]:
    """Planned dialogues of each kind for one half of the people, as recorded with a run."""
    count = dialogues_per_kind(config, models=models)
    if models:
        return {FREE: count, "average_person": count}
    own = len(negative_programs(config.domain_place))
    found = {FREE: count, **dict.fromkeys(NEGATIVES, count)}
    return found | ({"programs": own * _PROGRAM_TASKS * _PROGRAM_PERSONAS} if own else {})


def negatives_digest(config: SearchConfig, *, models: bool) -> str:
    """Digest of the negative programs that are played."""
    ids = [] if models else [program.id for program in negative_programs(config.domain_place)]
    return hashlib.blake2b(repr(ids).encode(), digest_size=8).hexdigest()


def negative_works(
    config: SearchConfig, make: Rollout, people: Floats, tasks: Sequence[Task], purpose: str, *, models: bool
) -> list[NegativeWork]:
    """NegativeWork items for one half of the people. ``make`` is a roll-out that provides domain, losses, tier and players."""
    count = dialogues_per_kind(config, models=models)
    plan = _plan(config, tasks, count, f"control {purpose}")
    found = [NegativeWork(FREE, make.of(None, plan))]
    for name in ("average_person",) if models else NEGATIVES:
        own = _plan(config, tasks, count, f"control {purpose} {name}")
        found.append(NegativeWork(name, make.of(None, own, personas(name, people, own))))
    if models:
        return found
    for index, program in enumerate(negative_programs(config.domain_place)):
        few = make_plan(
            tasks, at_most=_PROGRAM_TASKS, personas=_PROGRAM_PERSONAS, seed=config.seed, purpose=f"negative {purpose} {index}", dialogues=1
        )
        found.append(NegativeWork("programs", make.of(program.source, few)))
    return found


def _plan(config: SearchConfig, tasks: Sequence[Task], count: int, purpose: str) -> Plan:
    """A plan of about ``count`` dialogues, one per persona."""
    some = min(len(tasks), count)
    return make_plan(tasks, at_most=some, personas=max(1, count // some), seed=config.seed, purpose=purpose, dialogues=1)


def completed_negatives(planned: Sequence[NegativeWork], played: Sequence[Sequence[Episode]]) -> dict[str, Negatives]:
    """The completed dialogues by kind; kinds without any are left out."""
    by_kind: dict[str, list[Episode]] = {}
    for work, episodes in zip(planned, played, strict=True):
        by_kind.setdefault(work.kind, []).extend(one for one in episodes if one.state == "completed")
    return {
        kind: Negatives(np.array([one.fingerprint for one in some]), tuple(one.item.task_id for one in some))
        for kind, some in by_kind.items() if some
    }  # fmt: skip


def negative_records(split: str, negatives: Mapping[str, Negatives]) -> list[Control]:
    """The negatives as records of the archive."""
    return [
        Control(split, kind, task, tuple(map(float, values)))
        for kind, some in negatives.items() for task, values in zip(some.tasks, some.values, strict=True)
    ]  # fmt: skip


def recorded_negatives(records: Sequence[Control]) -> dict[str, dict[str, Negatives]]:
    """The negatives by split and kind from records of the archive; the inverse of ``negative_records``."""
    grouped: dict[str, dict[str, list[Control]]] = {}
    for one in records:
        grouped.setdefault(one.split, {}).setdefault(one.kind, []).append(one)

    def negatives(some: Sequence[Control]) -> Negatives:
        return Negatives(np.array([one.fingerprint for one in some]), tuple(one.task_id for one in some))

    return {split: {kind: negatives(some) for kind, some in kinds.items()} for split, kinds in grouped.items()}


def costs(players: Players | None) -> bool:
    """Whether dialogues cost external calls."""
    return players is not None and bool(players.make_user or players.make_agent or players.outside)


@dataclass(frozen=True)
class PreparedScorers:
    """Scorers of a search: the one that steers, the negatives of its judge, and the setting of the final table."""

    train: Scorer
    negatives: Mapping[str, Negatives]
    setting: TableSetting


def key_of(config: SearchConfig, sizes: Mapping[str, Sequence[int]], inputs: Mapping[str, str]) -> str:
    """Cache key from everything that the scorers depend on."""
    guest = wasm.versions() if config.sandbox == "wasm" else ""  # another Python, whose last digits may differ
    return cache.key_of(config.seed, config.cells, config.sandbox, guest, sorted(inputs.items()), sorted(sizes.items()))


@dataclass(frozen=True)
class ScorerBuilder:
    """Builds the scorers of both halves of the people: plays the negatives and trains the judges.

    ``cells`` makes the cells. ``on_negatives`` receives the roll-outs of the negatives before they are played, if dialogues cost calls.
    """

    config: SearchConfig
    people: Reference
    steering: Reference
    kept: Reference
    cells: Callable[[], Cells]
    tasks: Mapping[str, Sequence[Task]]
    workers: WorkerPool
    players: Players | None
    on_negatives: Callable[[list[Rollout]], None]
    profiled: bool
    parts: Parts

    def start(self, sizes: Mapping[str, Sequence[int]]) -> PreparedScorers:
        """The scorers, with levels of people for the numbers of dialogues in ``sizes``."""
        cells = self.cells()  # first: too few people are reported before any dialogue is played
        found = self._negatives() if self.parts.negatives is None else self.parts.negatives
        judge = None if self.parts.judge is None else Carried(self.parts.judge)
        seed, halves = self.config.seed, {"train": self.steering, "test": self.kept}
        works = [Training(people.values, people.people, found[name], seed, judge) for name, people in halves.items()]
        judges = dict(zip(halves, self.workers.map(trained, works), strict=True))
        others, row = (People(part.values, part.people) for part in reference.split(self.steering, seed + 1))
        train_scorer = self._scorer("train", self.steering, cells, judges["train"], found["train"])
        test_scorer = self._scorer("test", self.kept, cells.with_masses(self.kept.values), judges["test"], found["test"], others)
        for scorer in (train_scorer, test_scorer):
            for n in sizes[scorer.split]:
                scorer.levels(n)
        kept = People(self.kept.values, self.kept.people)
        own = OwnParts(self.parts.judge, self.parts.descriptors, tuple(self.parts.objectives))
        carried = None if own == OwnParts() else Carried(own)
        setting = TableSetting(test_scorer, kept, others, row, found["test"], self.config.cells, self.profiled, carried)
        return PreparedScorers(train_scorer, found["train"], setting)

    def _scorer(
        self, split: Split, people: Reference, cells: Cells, judge: Discriminator, found: Mapping[str, Negatives],
        others: People | None = None,
    ) -> Scorer:  # fmt: skip
        """A scorer by these people; ``others`` determine the levels (in the final table one half of the people that steered, while the
        other half is the row of people)."""
        return Scorer(
            split=split, judge=judge, cells=cells, space=Space.of(people.values), people=people.values, free=found[FREE].values,
            others=None if others is None else others.values, agreement=self.people.agreement, names=self.people.names,
            seed=self.config.seed,
        )  # fmt: skip

    def _negatives(self) -> Mapping[str, Mapping[str, Negatives]]:
        """Negatives for each half of the people; controls are made from the people that steer. If dialogues cost calls, those of the train
        tasks are used for both halves."""
        models = costs(self.players)
        planned = {}
        for split in ("train",) if models else ("train", "test"):
            tasks = self.tasks[split]
            empty = make_plan(tasks, at_most=1, personas=1, seed=0, purpose="")
            make = Rollout(None, empty, self.config.domain_place, self.people.losses, self.config.sandbox, self.players)
            planned[split] = negative_works(self.config, make, self.steering.values, tasks, split, models=models)
        works = [work.rollout for some in planned.values() for work in some]
        if models:
            self.on_negatives(works)
        played = iter(play(self.workers, works))
        found = {}
        for split, some in planned.items():
            episodes = [next(played) for _ in some]
            found[split] = completed_negatives(some, episodes)
            if FREE not in found[split]:
                reason = next((one.reason for each in episodes for one in each if one.reason), "no reason is known")
                raise ModelError(f"no dialogue of persona-free users could be played: {reason}")
        return {"test": found["train"], **found}

"""Training of the judges before a search: play the negatives, train the judges and compute people's levels. The result is cached for equal
tasks, people and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from personaevo import cache, reference
from personaevo.config import SearchConfig
from personaevo.crew import WorkerPool
from personaevo.errors import ModelError
from personaevo.evolve.cast import Players
from personaevo.evolve.names import FREE
from personaevo.evolve.negatives import completed_negatives, negative_works
from personaevo.evolve.parts import Parts
from personaevo.evolve.plan import make_plan
from personaevo.evolve.rollout import Rollout, play
from personaevo.judge.discriminator import Discriminator, Negatives, Training, trained
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import OwnParts, People, TableSetting
from personaevo.measure.cells import Cells
from personaevo.measure.energy import Space
from personaevo.programs import wasm
from personaevo.records import Split, Task
from personaevo.reference import Reference
from personaevo.shipping import Carried


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

    ``on_negatives`` receives the roll-outs of the negatives before they are played, if dialogues cost calls.
    """

    config: SearchConfig
    people: Reference
    steering: Reference
    kept: Reference
    cells: Cells
    tasks: Mapping[str, Sequence[Task]]
    workers: WorkerPool
    players: Players | None
    on_negatives: Callable[[list[Rollout]], None]
    profiled: bool
    parts: Parts

    def start(self, sizes: Mapping[str, Sequence[int]]) -> PreparedScorers:
        """The scorers, with levels of people for the numbers of dialogues in ``sizes``."""
        found = self._negatives()
        judge = None if self.parts.judge is None else Carried(self.parts.judge)
        seed, halves = self.config.seed, {"train": self.steering, "test": self.kept}
        works = [Training(people.values, people.people, found[name], seed, judge) for name, people in halves.items()]
        judges = dict(zip(halves, self.workers.map(trained, works), strict=True))
        others, row = (People(part.values, part.people) for part in reference.split(self.steering, seed + 1))
        train_scorer = self._scorer("train", self.steering, judges["train"], found["train"])
        test_scorer = self._scorer("test", self.kept, judges["test"], found["test"], others)
        for scorer in (train_scorer, test_scorer):
            for n in sizes[scorer.split]:
                scorer.levels(n)
        kept = People(self.kept.values, self.kept.people)
        own = OwnParts(self.parts.judge, self.parts.descriptors, tuple(self.parts.objectives))
        carried = None if own == OwnParts() else Carried(own)
        setting = TableSetting(test_scorer, kept, others, row, found["test"], self.config.cells, self.profiled, carried)
        return PreparedScorers(train_scorer, found["train"], setting)

    def _scorer(
        self, split: Split, people: Reference, judge: Discriminator, found: Mapping[str, Negatives], others: People | None = None
    ) -> Scorer:
        """A scorer by these people; ``others`` determine the levels (in the final table one half of the people that steered, while the
        other half is the row of people)."""
        return Scorer(
            split=split, judge=judge, cells=self.cells if split == "train" else self.cells.with_masses(people.values),
            space=Space.of(people.values), people=people.values, free=found[FREE].values, others=None if others is None else others.values,
            agreement=self.people.agreement, names=self.people.names, seed=self.config.seed,
        )  # fmt: skip

    def _negatives(self) -> dict[str, dict[str, Negatives]]:
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

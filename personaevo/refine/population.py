"""Other people: what a person's dialogues are compared with, and what refinement shrinks toward.

A person never counts among the others: scale, weights, means and deviations are those of everybody else's dialogues on the same side.

The beginning of a dialogue does not look like a whole one, nor does its end (people say goodbye there). Where the split keeps the end of
the one training dialogue back, each of the two pieces is therefore seen against the same piece of others' dialogues, and stated on the
scale of whole ones: as many deviations above or below the average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from personaevo.errors import ReferenceDataError
from personaevo.measure.cells import Standard
from personaevo.measure.shrinkage import Posterior
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.behavior import Behavior, DialogueItem, Item
from personaevo.refine.features import as_dials
from personaevo.refine.scale import Scale
from personaevo.refine.split import KEPT_BACK, Parts
from personaevo.refine.traces import Background, Known, Text

MIN_DIALOGUES = 20  # of others: with fewer, neither a mean nor a deviation means much
GROUPS = 40  # of what the person's items may be, when others were drawn
Piece = Literal["whole", "first", "last"]


@dataclass(frozen=True)
class Population:
    """Rows ``[n, d]`` (``features.measured``; fingerprints alone will do) of others' whole dialogues, and of the first and last pieces of
    those that can be parted. ``people`` (integers ``[n]``) tells whose each whole one is, ``held`` which are held out to score on; by
    default each is of somebody else, and none is held out."""

    whole: Floats
    first: Floats
    last: Floats
    people: Any = None
    held: Any = field(default=None)

    def __post_init__(self) -> None:
        for name in ("whole", "first", "last"):
            object.__setattr__(self, name, features.widened(getattr(self, name)))
        if self.people is None:
            object.__setattr__(self, "people", np.arange(len(self.whole)))
        if self.held is None:
            object.__setattr__(self, "held", np.zeros(len(self.whole), dtype=bool))

    @cached_property
    def scale(self) -> Scale:
        """The scale of distances and scores."""
        return Scale.of(self.whole, self.people)

    @cached_property
    def standard(self) -> Standard:
        """Mean and standard deviation of each feature that varies, in its own unit; what is missing does not count."""
        kept = self.scale.scores.kept
        return Standard(features.mean_of(self.whole[:, kept]), self.scale.scores.sd, kept)

    @property
    def center(self) -> dict[str, float]:
        """The mean of all as dials, each within its range."""
        return as_dials(features.mean_of(self.whole))

    def as_whole(self, row: Floats, piece: Piece) -> Floats:
        """The row [d] of a piece of a dialogue on the scale of whole ones."""
        others: Floats = {"whole": self.whole, "first": self.first, "last": self.last}[piece]
        if piece == "whole" or len(others) < MIN_DIALOGUES:
            return row
        (mean, sd), (whole_mean, whole_sd) = _moments(others), _moments(self.whole)
        above = np.divide(row - mean, sd, out=np.where(np.isnan(row), np.nan, 0.0), where=sd > 0)
        moved: Floats = whole_mean + above * whole_sd
        return moved


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column over what is known; 0 where nothing is."""
    known = ~np.isnan(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0.0).sum(axis=0) / counts
    return mean, np.sqrt(np.where(known, (rows - mean) ** 2, 0.0).sum(axis=0) / counts)


class People:
    """The dialogues of many people, measured once. ``losses`` are what the text of the corpus lost, ``held`` the ids of each person's items
    that are held out, by person and side."""

    def __init__(
        self, behaviors: Iterable[Behavior], losses: Sequence[str] = (), held: Mapping[tuple[str, str], frozenset[str]] | None = None
    ) -> None:
        self._words: Counter[str] = Counter()  # in how many texts each is
        self._own: dict[str, list[Known]] = {}
        spoken: dict[str, list[tuple[str, DialogueItem]]] = {"user": [], "assistant": []}
        for behavior in behaviors:
            for item in behavior.items:
                keys = Text.of("\n".join(item.texts())).keys
                self._words.update(keys)
                self._own.setdefault(behavior.person, []).append(keys)
                if isinstance(item, DialogueItem):
                    spoken[item.role].append((behavior.person, item))
        self._sides = {role: _Side.of(pairs, losses, held or {}) for role, pairs in spoken.items()}

    def others(self, person: str, role: str) -> Population | None:
        """Everybody else on that side; None if there are fewer than 20 dialogues of them."""
        side = self._sides.get(role)
        return side.without(person) if side is not None else None

    def other_half(self, person: str, role: str) -> Population | None:
        """Of everybody on that side the half that the person is not in; None if it has fewer than 20 dialogues."""
        side = self._sides.get(role)
        return side.other_half(person) if side is not None else None

    def background(self, person: str) -> Background:
        """The words of everybody else, for what many say."""
        own = self._own.get(person, [])
        return Background(sum(map(len, self._own.values())) - len(own), self._words - Counter(key for keys in own for key in keys))


@dataclass(frozen=True)
class _Side:
    """Everybody on one side; ``parted`` of the pieces tells which dialogues have them."""

    all: Population
    parted: Any
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[str, DialogueItem]], losses: Sequence[str], held: Mapping[tuple[str, str], frozenset[str]]
    ) -> _Side:
        """Of people and their dialogues; those without a word do not count."""
        rows = features.measured([item.texts() for _, item in pairs], losses)
        spoken = ~np.isnan(rows[:, 0])
        pairs = [pair for pair, kept in zip(pairs, spoken, strict=True) if kept]
        said = [item.texts() for _, item in pairs]
        back = [len(texts) // KEPT_BACK for texts in said]
        pieces = [(texts[:-size], texts[-size:]) for texts, size in zip(said, back, strict=True) if size]
        first, last = (features.measured([piece[place] for piece in pieces], losses) for place in (0, 1))
        names = tuple(sorted({person for person, _ in pairs}))
        known = {name: number for number, name in enumerate(names)}
        kept_out = np.array([item.id in held.get((person, item.role), ()) for person, item in pairs], dtype=bool)
        whole = Population(rows[spoken], first, last, np.array([known[person] for person, _ in pairs], dtype=int), kept_out)
        return cls(whole, np.array(back, dtype=bool), names)

    def without(self, person: str) -> Population | None:
        """All others."""
        return self._of(self.all.people != self._number(person))

    def other_half(self, person: str) -> Population | None:
        """Every second one, beginning with another than the person."""
        return self._of(self.all.people % 2 != self._number(person) % 2)

    def _number(self, person: str) -> int:
        return self.names.index(person) if person in self.names else -1

    def _of(self, others: Any) -> Population | None:
        if others.sum() < MIN_DIALOGUES:
            return None
        whole, parted = self.all, others[self.parted]
        return replace(
            whole, whole=whole.whole[others], first=whole.first[parted], last=whole.last[parted], people=whole.people[others],
            held=whole.held[others],
        )  # fmt: skip


def of_reference(values: Floats, people: Any = None) -> Population:
    """The ``people`` of a reference (integers), of whose dialogues only whole ones were measured: rows, or fingerprints alone.

    Raises:
        ReferenceDataError: they are too few.
    """
    if len(values) < MIN_DIALOGUES:
        raise ReferenceDataError(f"{len(values)} people are too few to refine against: expected at least {MIN_DIALOGUES} dialogues")
    none = np.empty((0, values.shape[1]))
    return Population(values, none, none, people)


class Yardstick:
    """Rows of one person's items as they are compared with role-plays.

    With ``whole``, role-plays are whole dialogues, and pieces of dialogues are put on their scale; without, each item is played as it
    stands and compared as it stands.
    """

    def __init__(self, population: Population, parts: Parts, losses: Sequence[str] = (), *, whole: bool) -> None:
        self.population, self.whole = population, whole
        self._losses = tuple(losses)
        self._rows: dict[tuple[str, int, int], Floats | None] = {}
        self._pieces: Mapping[tuple[str, int], Piece] = _pieces(parts) if whole else {}

    def of(self, item: Item) -> Floats | None:
        """The item's row [d]; None for all but dialogues, and where no word is said."""
        return self._measured([item])[0] if isinstance(item, DialogueItem) else None

    def _measured(self, items: Sequence[DialogueItem]) -> list[Floats | None]:
        """Each item's row; an item is measured once."""
        keys = [(item.id, item.after, len(item.turns)) for item in items]
        fresh = {key: item for key, item in zip(keys, items, strict=True) if key not in self._rows}
        rows = features.measured([item.texts() for item in fresh.values()], self._losses)
        for (key, item), row in zip(fresh.items(), rows, strict=True):
            piece = self._pieces.get((item.id, item.after), "whole")
            self._rows[key] = None if np.isnan(row[0]) else self.population.as_whole(row, piece)
        return [self._rows[key] for key in keys]

    def rows(self, items: Sequence[Item]) -> Floats:
        """Those of all items that have one, ``[m, d]``."""
        found = [row for row in self._measured([item for item in items if isinstance(item, DialogueItem)]) if row is not None]
        return np.array(found).reshape(len(found), self.population.whole.shape[1])


    def points(self, rows: Floats) -> Floats:
        """Rows ``[n, d]`` as points on the scale of the others."""
        return self.population.scale.points(rows)

    def posterior(self, items: Sequence[Item]) -> Posterior:
        """What some of the person's items tell of the person."""
        return self.population.scale.posterior(self.rows(items))

    def others(self, items: Sequence[Item], size: int, seed: int, groups: int = GROUPS) -> list[Floats]:
        """Groups of ``size`` other dialogues of the person as points, as they are expected after these items. What is not known of the
        person is drawn once for each group."""
        rng, posterior = np.random.default_rng(seed), self.posterior(items)
        doubt = np.repeat(rng.normal(size=(groups, len(posterior.mean))), size, axis=0)
        return np.split(self.population.scale.draws(posterior, doubt, rng), groups)


def _pieces(parts: Parts) -> dict[tuple[str, int], Piece]:
    """Which items are pieces of one dialogue, by id and first turn."""
    cut = {item.id: item.after for item in parts.dev if isinstance(item, DialogueItem) and item.after}
    first: dict[tuple[str, int], Piece] = {(name, 0): "first" for name in cut}
    return first | dict.fromkeys(cut.items(), "last")

"""Other people: the population that a person is compared with, and toward which refinement shrinks.

A person is never part of their own population: scale, weights, means and deviations are those of other people's dialogues on the same side.

The beginning of a dialogue differs from a whole dialogue, and so does its end (people say goodbye there). If the split takes dev from the
end of the one training dialogue, each piece is therefore standardized against the same piece of others' dialogues, and converted to the
scale of whole dialogues: as many deviations above or below the mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from personaevo import definitions
from personaevo.errors import ReferenceDataError
from personaevo.measure.cells import Standard
from personaevo.measure.energy import distances, share_farther
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.features import Posterior, Scale, as_dials, normal_grid
from personaevo.refine.items.behavior import KEPT_BACK, Behavior, DialogueItem, Item, Parts
from personaevo.refine.leakage.words import Background, Stems, Text
from personaevo.refine.profile import Profile
from personaevo.simulate.draws import AMOUNTS

MIN_DIALOGUES = 20  # of others, for a usable mean and deviation
GROUPS = 40  # simulated groups of a person's items
Piece = Literal["whole", "first", "last"]


@dataclass(frozen=True)
class Population:
    """Feature rows of other people's dialogues.

    Attributes:
        whole: rows ``[n, d]`` (``features.measured``; fingerprints alone are padded) of whole dialogues.
        first, last: rows of the first and last pieces of the dialogues that are long enough.
        people: integers ``[n]``, the person of each whole dialogue (default: all different).
        held: ``[n]``, which whole dialogues are held out for scoring (default: none).
    """

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
        """The scale for distances and scores."""
        return Scale.of(self.whole, self.people)

    @cached_property
    def standard(self) -> Standard:
        """Mean and standard deviation of each feature that varies, in its own unit; missing values do not count."""
        kept = self.scale.scores.kept
        return Standard(features.mean_of(self.whole[:, kept]), self.scale.scores.sd, kept)

    @property
    def center(self) -> dict[str, float]:
        """The mean of all as dials, each within its range."""
        return as_dials(features.mean_of(self.whole))

    def as_whole(self, row: Floats, piece: Piece) -> Floats:
        """The row [d] of a piece of a dialogue, converted to the scale of whole ones."""
        others: Floats = {"whole": self.whole, "first": self.first, "last": self.last}[piece]
        if piece == "whole" or len(others) < MIN_DIALOGUES:
            return row
        (mean, sd), (whole_mean, whole_sd) = _moments(others), _moments(self.whole)
        above = np.divide(row - mean, sd, out=np.where(np.isnan(row), np.nan, 0.0), where=sd > 0)
        moved: Floats = whole_mean + above * whole_sd
        return moved


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column over known values; 0 without one."""
    known = ~np.isnan(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0.0).sum(axis=0) / counts
    return mean, np.sqrt(np.where(known, (rows - mean) ** 2, 0.0).sum(axis=0) / counts)


class Corpus:
    """The dialogues of many people, measured once.

    ``losses`` are losses of the corpus's text; ``held`` the ids of each person's held-out items, by person and side.
    """

    def __init__(
        self, behaviors: Iterable[Behavior], losses: Sequence[str] = (), held: Mapping[tuple[str, str], frozenset[str]] | None = None
    ) -> None:
        self._words: Counter[str] = Counter()  # number of texts with each word
        self._own: dict[str, list[Stems]] = {}
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
        """All other people on that side; None if they have fewer than 20 dialogues."""
        side = self._sides[role]
        return side.chosen(side.all.people != side.number(person))

    def other_half(self, person: str, role: str) -> Population | None:
        """The half of the people on that side without the person; None if it has fewer than 20 dialogues."""
        side = self._sides[role]
        return side.chosen(side.all.people % 2 != side.number(person) % 2)

    def background(self, person: str) -> Background:
        """Document frequencies of words in the texts of all other people."""
        own = self._own.get(person, [])
        return Background(sum(map(len, self._own.values())) - len(own), self._words - Counter(key for keys in own for key in keys))


@dataclass(frozen=True)
class _Side:
    """All people on one side; ``parted`` marks the dialogues that have pieces."""

    all: Population
    parted: Any
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[str, DialogueItem]], losses: Sequence[str], held: Mapping[tuple[str, str], frozenset[str]]
    ) -> _Side:
        """Measure the dialogues of people; those without a word do not count."""
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

    def number(self, person: str) -> int:
        """The person's number; -1 if there is none."""
        return self.names.index(person) if person in self.names else -1

    def chosen(self, others: Any) -> Population | None:
        """The population of the dialogues in the mask ``others[n]``; None if there are too few."""
        if others.sum() < MIN_DIALOGUES:
            return None
        whole, parted = self.all, others[self.parted]
        return replace(
            whole, whole=whole.whole[others], first=whole.first[parted], last=whole.last[parted], people=whole.people[others],
            held=whole.held[others],
        )  # fmt: skip


def of_reference(values: Floats, people: Any = None) -> Population:
    """The population of a reference: rows, or fingerprints alone, of whole dialogues of ``people`` (integers).

    Raises:
        ReferenceDataError: there are too few.
    """
    if len(values) < MIN_DIALOGUES:
        raise ReferenceDataError(f"{len(values)} people are too few to refine against: expected at least {MIN_DIALOGUES} dialogues")
    none = np.empty((0, values.shape[1]))
    return Population(values, none, none, people)


class FeatureSpace:
    """Feature rows of one person's items as they are compared with role-plays, and the scale of that comparison.

    With ``whole``, role-plays are whole dialogues, and pieces of dialogues are converted to their scale. Without, each item is played and
    compared as it is.
    """

    def __init__(self, population: Population, parts: Parts, losses: Sequence[str] = (), *, whole: bool) -> None:
        self.population, self.whole = population, whole
        self._losses = tuple(losses)
        self._rows: dict[tuple[str, int, int], Floats | None] = {}
        self._pieces: Mapping[tuple[str, int], Piece] = _pieces(parts) if whole else {}

    def of(self, item: Item) -> Floats | None:
        """The item's row [d]; None for items other than dialogues, and without a word."""
        return self._measured([item])[0] if isinstance(item, DialogueItem) else None

    def _measured(self, items: Sequence[DialogueItem]) -> list[Floats | None]:
        """Each item's row; cached."""
        keys = [(item.id, item.after, len(item.turns)) for item in items]
        fresh = {key: item for key, item in zip(keys, items, strict=True) if key not in self._rows}
        rows = features.measured([item.texts() for item in fresh.values()], self._losses)
        for (key, item), row in zip(fresh.items(), rows, strict=True):
            piece = self._pieces.get((item.id, item.after), "whole")
            self._rows[key] = None if np.isnan(row[0]) else self.population.as_whole(row, piece)
        return [self._rows[key] for key in keys]

    def rows(self, items: Sequence[Item]) -> Floats:
        """The rows ``[m, d]`` of all items that have one."""
        found = [row for row in self._measured([item for item in items if isinstance(item, DialogueItem)]) if row is not None]
        return np.array(found).reshape(len(found), self.population.whole.shape[1])

    def points(self, rows: Floats) -> Floats:
        """Rows ``[n, d]`` as points on the population's scale."""
        return self.population.scale.points(rows)

    def posterior(self, items: Sequence[Item]) -> Posterior:
        """Posterior of the person given some of their items."""
        return self.population.scale.posterior(self.rows(items))

    def others(self, items: Sequence[Item], size: int, seed: int, groups: int = GROUPS) -> list[Floats]:
        """Simulate ``groups`` groups of ``size`` other dialogues of the person, as points, given these items.

        The uncertainty of the person's mean is drawn once for each group.
        """
        rng, posterior = np.random.default_rng(seed), self.posterior(items)
        doubt = np.repeat(rng.normal(size=(groups, len(posterior.mean))), size, axis=0)
        return np.split(self.population.scale.draws(posterior, doubt, rng), groups)


def _pieces(parts: Parts) -> dict[tuple[str, int], Piece]:
    """The items that are pieces of one dialogue, by id and first turn."""
    cut = {item.id: item.after for item in parts.dev if isinstance(item, DialogueItem) and item.after}
    first: dict[tuple[str, int], Piece] = {(name, 0): "first" for name in cut}
    return first | dict.fromkeys(cut.items(), "last")


_LEAST = 1e-3  # lower bound of an amount before its logarithm
_LENGTH = "words_per_turn"
_OCCASIONS = 6.0  # typical number of a habit's occasions in a dialogue, for the chance variance of its share


def shrunk(population: Population, rows: Floats) -> Profile:
    """The profile given ``rows[m, d]`` of a person's dialogues: each dial at the expected mean, and spread dials at the expected
    variation, of one more dialogue of the person."""
    scale = population.scale
    posterior = scale.posterior(rows)
    row = np.full(len(features.names()), np.nan)
    row[scale.scores.kept] = scale.typical(posterior)
    return Profile(dials={**population.center, **features.as_dials(row), **_spread(scale, posterior)})


def average(population: Population) -> Profile:
    """The average person: the population's means, with no variation between dialogues."""
    return Profile(dials={**population.center, **dict.fromkeys(spread_dials(), 0.0)})


def spread_dials() -> tuple[str, ...]:
    """The dials of variation between one person's dialogues: of behavior, and of typing."""
    return tuple(name for name in ("mood_swing", "typing_swing") if name in features.dials())


def _spread(scale: Scale, posterior: Posterior) -> Mapping[str, float]:
    """Spread dials: of moods, from the variation of turn length (its logarithm, in the units of ``moods``), and of typing."""
    found, table = {}, features.dials()
    grid = scale.scores.back(posterior.mean + normal_grid()[:, None] * posterior.sd)
    if _LENGTH in scale.names:
        amounts = np.maximum(grid[:, scale.names.index(_LENGTH)], _LEAST)
        found["mood_swing"] = float(min(np.log(amounts).std() / AMOUNTS[_LENGTH], table["mood_swing"].high))
    typed = [place for place, name in enumerate(scale.names) if name in table and name in definitions.typing().names]
    if typed:
        rates = np.clip(grid[:, typed], 0.0, 1.0)
        most = rates.mean(axis=0) * (1.0 - rates.mean(axis=0))
        alike = rates.var(axis=0).sum() / max(most.sum(), 1e-9)
        swing = (alike - 1.0 / _OCCASIONS) / (1.0 - 1.0 / _OCCASIONS)
        found["typing_swing"] = float(np.clip(swing, table["typing_swing"].low, table["typing_swing"].high))
    return found


_SAMPLED = 400  # dialogues that represent all people


@dataclass(frozen=True)
class Lineup:
    """Held-out dialogues as points.

    Attributes:
        own: of the person, ``[m, k]``.
        others: of other people, ``[n, k]``; the ``weights`` of each other person's dialogues sum to 1.
        baseline: mean distance of each dialogue, own first, to dialogues of the population's profile.
        real_baseline: mean distance of each to real dialogues of all other people.
    """

    own: Floats
    others: Floats
    weights: Floats
    baseline: Floats
    real_baseline: Floats

    @classmethod
    def of(cls, population: Population, rows: Floats, typical: Floats | None = None) -> Lineup | None:
        """The lineup of a person with held-out ``rows[m, d]``; None if the person or the others have none.

        ``typical[k, d]`` are rows of dialogues of the population's profile; if missing, real dialogues are the baseline.
        """
        held = np.flatnonzero(population.held)
        if not len(held) or not len(rows):
            return None
        scale, people = population.scale, population.people
        own, others = scale.points(rows), scale.points(population.whole[held])
        counts = np.unique(people[held], return_inverse=True, return_counts=True)
        sampled = np.arange(0, len(people), max(1, -(-len(people) // _SAMPLED)))
        far = distances(np.vstack([own, others]), scale.points(population.whole[sampled]))
        owners = np.concatenate([np.full(len(own), -1), people[held]])
        strange = people[sampled][None] != owners[:, None]
        real_baseline = (far * strange).sum(axis=1) / np.maximum(strange.sum(axis=1), 1)
        baseline = real_baseline
        if typical is not None and len(typical):
            baseline = distances(np.vstack([own, others]), scale.points(typical)).mean(axis=1)
        return cls(own, others, 1.0 / counts[2][counts[1]], baseline, real_baseline)

    def recognized(self, points: Floats, *, real: bool = False) -> float:
        """Share (0..1) of other people whose held-out dialogues the simulated ``points[k, d]`` fit less than the person's own.

        .5 is chance; ties count half. With ``real``, the points are real dialogues and compared with real ones.
        """
        baseline = self.real_baseline if real else self.baseline
        return self._share(distances(np.vstack([self.own, self.others]), points).mean(axis=1) - baseline)

    def nearer(self, points: Floats) -> float:
        """The same share by plain distance to the mean of the simulated dialogues."""
        return self._share(distances(np.vstack([self.own, self.others]), points.mean(axis=0, keepdims=True))[:, 0])

    def _share(self, values: Floats) -> float:
        own: Sequence[float] = values[: len(self.own)].tolist()
        return float(np.mean([share_farther(values[len(self.own) :], value, self.weights) for value in own]))

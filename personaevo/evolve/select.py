"""Parent selection: by the Pareto front of the objectives that steer (NSGA-II, with DEAP), by score, or by the cells of the elites."""

from __future__ import annotations

import bisect
import math
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any, Protocol, runtime_checkable

import numpy as np
from deap import base, tools

from personaevo.evolve.ranking import Scored, elites, expected, lower_bound, lower_bounds
from personaevo.judge.objectives import SCORE, objectives, steering
from personaevo.records import Evaluation, Floats

POOL = 8
_SHOWN_AGAIN = 1000
_BY_SCORE, _BY_FRONT = 0.6, 0.2  # probabilities; otherwise by cells
_OWNING = 2  # exponent of the owned mass: owners of several cells are preferred to owners of one large cell


@cache
def _fitness(weights: tuple[float, ...]) -> type[base.Fitness]:
    """DEAP's fitness class with these weights."""
    return type("Fitness", (base.Fitness,), {"weights": weights})


def _weights() -> tuple[float, ...]:
    """DEAP's weights of the objectives that steer: 1 if more is better, -1 if less is."""
    return tuple(1.0 if one.direction == "more" else -1.0 for one in objectives() if one.role == "steers")


class Ranked:
    """A DEAP individual with the unclipped objectives that steer. NaN is refused, since DEAP would rank it silently."""

    def __init__(self, scored: Scored) -> None:
        values = vector(scored.evaluation)
        if not all(map(math.isfinite, values)):
            raise ValueError(f"objectives of program {scored.program_id} must be finite, got {values}")
        self.scored = scored
        self.fitness = _fitness(_weights())(values)


def vector(evaluation: Evaluation) -> list[float]:
    """The objectives that steer; one that was not measured counts as 0."""
    found = evaluation.objectives
    return [found[name].value if name in found else 0.0 for name in steering()]


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of many programs: ids, objectives with masks of where they were measured, and standard errors of the score."""

    ids: Sequence[str]
    values: Mapping[str, Floats]
    measured: Mapping[str, Any]
    errors: Floats


def undominated(places: Floats) -> list[int]:
    """Indices of the non-dominated rows of ``places[n, d]`` (more is better), the first of equal rows, in ascending order.

    Each step finds one such row and removes all rows that it dominates, so only few steps look at many rows.
    """
    left, found = np.arange(len(places)), []
    while len(left):
        at = left[places[left].sum(axis=1).argmax()]
        near = left[(places[left] >= places[at]).all(axis=1)]  # itself, equal rows, and dominating ones if rounding made the sums equal
        while (better := near[(places[near] > places[at]).any(axis=1)]).size:
            at = better[0]
            near = near[(places[near] >= places[at]).all(axis=1)]
        found.append(int(near[0]))
        left = left[~(places[left] <= places[at]).all(axis=1)]
    return sorted(found)


class Population:
    """The possible parents in the order of addition, with incremental data for selection.

    ``add`` compares with the front and the cells only, however many programs there are. Ids and scores of all programs are in memory, and
    evaluations of the front, of the owners of cells and of the ``keep`` best; ``find`` loads others by ids.
    """

    def __init__(self, find: Callable[[Sequence[str]], Sequence[Scored]], keep: int = POOL) -> None:
        self.ids: list[str] = []
        self._find, self._keep = find, keep
        self._scores = array("d")
        self._front: list[Ranked] = []
        self._places = np.empty((0, len(_weights())))  # weighted objectives of the front: more is better
        self._crowded = True  # whether crowding distances are up to date
        self._expected: tuple[int, float] = 0, 0.0  # number of members and expected score at the last computation
        self._elites: dict[int, Scored] = {}
        self._best: list[tuple[float, int, Scored]] = []  # the best programs: negative lower bound, order of addition

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, scored: Scored) -> None:
        """Add one program."""
        self.ids.append(scored.program_id)
        self._scores.append(scored.score)
        self._elites = elites([*{id(one): one for one in self._elites.values()}.values(), scored])
        bisect.insort(self._best, (-lower_bound(scored.evaluation), len(self.ids), scored))
        del self._best[self._keep :]
        new = Ranked(scored)
        place = np.array(new.fitness.wvalues)
        if not (self._places >= place).all(axis=1).any():  # not dominated and not equal to a member of the front
            stays: Any = ~(place >= self._places).all(axis=1)
            self._front = [*compress(self._front, stays), new]
            self._places = np.vstack([self._places[stays], place])
            self._crowded = False

    def index(self, columns: Columns, owners: Mapping[int, str]) -> None:
        """Add many programs to an empty population, with the same result as ``add``. ``owners`` are the programs that own cells."""
        self.ids, self._scores = list(columns.ids), array("d", np.where(columns.measured[SCORE], columns.values[SCORE], 0.0))
        places = np.column_stack([np.where(columns.measured[name], columns.values[name], 0.0) for name in steering()])
        places = places * np.array(_weights())
        front = undominated(places)
        bounds = lower_bounds(columns.values, columns.measured, columns.errors)
        best = np.argsort(-bounds, kind="stable")[: self._keep].tolist()
        wanted = list(dict.fromkeys([*(self.ids[at] for at in (*front, *best)), *owners.values()]))
        known = dict(zip(wanted, self._find(wanted), strict=True))
        self._front, self._places, self._crowded = [Ranked(known[self.ids[at]]) for at in front], places[front], False
        self._best = [(-lower_bound(known[self.ids[at]].evaluation), at + 1, known[self.ids[at]]) for at in best]
        self._elites = {cell: known[key] for cell, key in sorted(owners.items())}

    @property
    def front(self) -> list[Scored]:
        """The Pareto front of the objectives that steer (the earlier one of equal programs)."""
        return [one.scored for one in self._front]

    @property
    def best(self) -> Scored | None:
        """The best program overall."""
        return self._best[0][2] if self._best else None

    @property
    def expected(self) -> float | None:
        """Expected score of the best program on fresh dialogues; with more than a thousand programs it is updated once per thousandth."""
        if self.best is None:
            return None
        if len(self) - self._expected[0] > len(self) / _SHOWN_AGAIN or self._expected[0] == 0:
            self._expected = len(self), expected(self.best.score, self.best.evaluation.objectives[SCORE].se, self._scores)
        return self._expected[1]

    @property
    def elites(self) -> Mapping[int, Scored]:
        """The best program of each cell."""
        return self._elites

    @property
    def members(self) -> list[Scored]:
        """All programs; for small populations."""
        return list(self._find(self.ids))

    def top(self, count: int) -> list[Scored]:
        """The ``count`` best programs, best first; at most ``keep``."""
        return [scored for _, _, scored in self._best[:count]]

    def by_chance(self, rng: random.Random) -> Scored:
        """A program at random."""
        return self._find([rng.choice(self.ids)])[0]

    def by_front(self, rng: random.Random) -> Scored:
        """Binary tournament by crowding distance among the least crowded programs of the front (NSGA-II, Deb et al. 2002)."""
        if not self._crowded:
            tools.emo.assignCrowdingDist(self._front)
            self._crowded = True
        kept = sorted(self._front, key=lambda one: -one.fitness.crowding_dist)[:POOL]
        first, second = rng.choice(kept), rng.choice(kept)
        return (first if first.fitness.crowding_dist >= second.fitness.crowding_dist else second).scored

    def by_score(self, rng: random.Random) -> Scored:
        """One of the best programs, with probability proportional to the squared rank."""
        pool = self.top(POOL)
        return rng.choices(pool, [rank**2 for rank in range(len(pool), 0, -1)])[0]

    def by_cells(self, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """An elite, with probability proportional to the squared share of people in its cells."""
        owned: dict[str, float] = {}
        by_id: dict[str, Scored] = {}
        for cell, scored in self._elites.items():
            owned[scored.program_id] = owned.get(scored.program_id, 0.0) + masses.get(cell, 0.0)
            by_id[scored.program_id] = scored
        if not owned:
            return self.by_chance(rng)
        return by_id[rng.choices(list(owned), [mass**_OWNING for mass in owned.values()])[0]]

    def choose(self, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """A parent by one of the three methods."""
        way = rng.random()
        if way < _BY_SCORE:
            return self.by_score(rng)
        return self.by_front(rng) if way < _BY_SCORE + _BY_FRONT else self.by_cells(masses, rng)


@runtime_checkable
class Selection(Protocol):
    """A user-defined parent selection. ``id`` is recorded with a run; change it whenever the selection changes."""

    id: str

    def choose(self, population: Population, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """Choose a member of the population, which is not empty; ``masses`` are people's shares of the cells. Use only ``rng`` as a source
        of randomness."""
        ...

"""Who becomes a parent: by the front of the objectives that steer (NSGA-II, with DEAP), by the score, or by the cells that are owned."""

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
_BY_SCORE, _BY_FRONT = 0.6, 0.2  # the rest by cells
_OWNING = 2  # exponent of the mass owned: who owns several cells is a parent more often than one that owns a large one


@cache
def _fitness(weights: tuple[float, ...]) -> type[base.Fitness]:
    return type("Fitness", (base.Fitness,), {"weights": weights})


def _weights() -> tuple[float, ...]:
    """1 for each objective that steers of which more is better, -1 where less is."""
    return tuple(1.0 if one.direction == "more" else -1.0 for one in objectives() if one.role == "steers")


class Ranked:
    """A program as DEAP ranks it: the objectives that steer, neither end clipped. DEAP would rank NaN somewhere without a word, so that
    none is let through."""

    def __init__(self, scored: Scored) -> None:
        values = vector(scored.evaluation)
        if not all(map(math.isfinite, values)):
            raise ValueError(f"objectives of program {scored.program_id} must be finite, got {values}")
        self.scored = scored
        self.fitness = _fitness(_weights())(values)


def vector(evaluation: Evaluation) -> list[float]:
    """What selection sees of an evaluation. One that was not measured counts as 0."""
    found = evaluation.objectives
    return [found[name].value if name in found else 0.0 for name in steering()]


@dataclass(frozen=True, slots=True)
class Columns:
    """Many programs: ids, each objective with where it was measured, and the standard errors of the score."""

    ids: Sequence[str]
    values: Mapping[str, Floats]
    measured: Mapping[str, Any]
    errors: Floats


def undominated(places: Floats) -> list[int]:
    """The rows of ``places[n, d]`` that no other is at least as good as in everything and better in something (more is better), the first
    of equals, in ascending order. Each step finds one and drops what it beats, so that few steps look at many rows."""
    left, found = np.arange(len(places)), []
    while len(left):
        at = left[places[left].sum(axis=1).argmax()]
        near = left[(places[left] >= places[at]).all(axis=1)]  # itself and its equals; what beats it where rounding made sums equal
        while (better := near[(places[near] > places[at]).any(axis=1)]).size:
            at = better[0]
            near = near[(places[near] >= places[at]).all(axis=1)]
        found.append(int(near[0]))
        left = left[~(places[left] <= places[at]).all(axis=1)]
    return sorted(found)


class Population:
    """The programs that may be parents, in the order of telling, with what selection needs kept up to date: ``add`` costs a comparison with
    the programs of the front and a look at the cells, however many were added before. Of each program the id and the score are held; the
    evaluations of the front, of the owners of cells and of the ``keep`` best; ``find`` gives those of others, by ids."""

    def __init__(self, find: Callable[[Sequence[str]], Sequence[Scored]], keep: int = POOL) -> None:
        self.ids: list[str] = []
        self._find, self._keep = find, keep
        self._scores = array("d")
        self._front: list[Ranked] = []
        self._places = np.empty((0, len(_weights())))  # of the front: more is better
        self._crowded = True  # whether crowding distances are those of the present front
        self._expected: tuple[int, float] = 0, 0.0  # how many members there were, and what was expected then
        self._elites: dict[int, Scored] = {}
        self._best: list[tuple[float, int, Scored]] = []  # the best: negative lower bound, order of telling

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, scored: Scored) -> None:
        """Takes in one program more."""
        self.ids.append(scored.program_id)
        self._scores.append(scored.score)
        self._elites = elites([*{id(one): one for one in self._elites.values()}.values(), scored])
        bisect.insort(self._best, (-lower_bound(scored.evaluation), len(self.ids), scored))
        del self._best[self._keep :]
        new = Ranked(scored)
        place = np.array(new.fitness.wvalues)
        if not (self._places >= place).all(axis=1).any():  # as good in everything: it dominates, or is equal
            stays: Any = ~(place >= self._places).all(axis=1)
            self._front = [*compress(self._front, stays), new]
            self._places = np.vstack([self._places[stays], place])
            self._crowded = False

    def index(self, columns: Columns, owners: Mapping[int, str]) -> None:
        """Takes in many at once, into an empty population: what ``add`` makes of them. ``owners`` are the programs that own cells."""
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
        """The programs that no other beats in all objectives that steer (the earlier one of equals)."""
        return [one.scored for one in self._front]

    @property
    def best(self) -> Scored | None:
        """The best program overall."""
        return self._best[0][2] if self._best else None

    @property
    def expected(self) -> float | None:
        """The best program's score as it is expected on fresh dialogues; of more than a thousand programs, as of the last thousandth."""
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
        """All of them: of a small population."""
        return list(self._find(self.ids))

    def top(self, count: int) -> list[Scored]:
        """The ``count`` best, the best first; at most as many as are kept."""
        return [scored for _, _, scored in self._best[:count]]

    def by_chance(self, rng: random.Random) -> Scored:
        """Any program."""
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
        """One of the best by overall standing, the better the likelier (by the square of the rank)."""
        pool = self.top(POOL)
        return rng.choices(pool, [rank**2 for rank in range(len(pool), 0, -1)])[0]

    def by_cells(self, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """An elite, drawn by the share of people in the cells it owns, squared."""
        owned: dict[str, float] = {}
        by_id: dict[str, Scored] = {}
        for cell, scored in self._elites.items():
            owned[scored.program_id] = owned.get(scored.program_id, 0.0) + masses.get(cell, 0.0)
            by_id[scored.program_id] = scored
        if not owned:
            return self.by_chance(rng)
        return by_id[rng.choices(list(owned), [mass**_OWNING for mass in owned.values()])[0]]

    def choose(self, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """A parent, in one of the three ways."""
        way = rng.random()
        if way < _BY_SCORE:
            return self.by_score(rng)
        return self.by_front(rng) if way < _BY_SCORE + _BY_FRONT else self.by_cells(masses, rng)


@runtime_checkable
class Selection(Protocol):
    """A way of one's own to choose parents. ``id`` is recorded: another way needs another id."""

    id: str

    def choose(self, population: Population, masses: Mapping[int, float], rng: random.Random) -> Scored:
        """A member of the population, which is not empty; ``masses`` are people's shares of the cells. Whatever is drawn is drawn from
        ``rng``."""
        ...

"""Quasi-random sampling: cells by a golden-ratio sequence, and personas within a cell without replacement."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0

PersonaGroups = Mapping[int, Sequence[Sequence[int]]]  # cell → groups of persona numbers; a group is used up before the next one


def seeded_rng(*parts: object) -> random.Random:
    """A random generator seeded by the parts, the same in every process."""
    return random.Random("\x1f".join(map(str, parts)))


def points(seed: str) -> Iterator[float]:
    """The golden-ratio sequence in [0, 1) from a seeded start: any few consecutive points are evenly spread."""
    start = seeded_rng(seed, "cells").random()
    index = 0
    while True:
        yield (start + index * _GOLDEN) % 1.0
        index += 1


class CellDistribution:
    """The categorical distribution of cells by weight (uniform if all weights are zero)."""

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._cells = sorted(weights)
        widths = [weights[cell] for cell in self._cells]
        self._ends = list(accumulate(widths if sum(widths) > 0 else [1.0] * len(widths)))

    def at(self, point: float) -> int:
        """The cell at ``point`` in [0, 1) of the cumulative distribution."""
        return self._cells[min(bisect_right(self._ends, point * self._ends[-1]), len(self._cells) - 1)]


def shuffled(items: Sequence[int], rng: random.Random) -> Iterator[int]:
    """The items in random order (Fisher and Yates), generated lazily."""
    moved: dict[int, int] = {}
    for place in range(len(items)):
        taken = rng.randrange(place, len(items))
        yield int(items[moved.get(taken, taken)])
        moved[taken] = moved.pop(place, place)


def draw_personas(groups: PersonaGroups, weights: Mapping[int, float], seed: str) -> Iterator[int]:
    """Endless persona numbers. A cell whose personas were all drawn is left out until those of all cells were; then all are drawn again."""
    at = points(seed)
    sizes = {cell: sum(map(len, parts)) for cell, parts in groups.items()}
    turn = 0
    while True:
        left = dict(sizes)
        order = {
            cell: chain.from_iterable([shuffled(part, seeded_rng(seed, cell, turn, number)) for number, part in enumerate(parts)])
            for cell, parts in groups.items()
        }
        cells = CellDistribution({cell: weights[cell] for cell in left})
        while left:
            cell = cells.at(next(at))
            yield next(order[cell])
            left[cell] -= 1
            if not left[cell]:
                del left[cell]
                cells = CellDistribution({cell: weights[cell] for cell in left}) if left else cells
        turn += 1


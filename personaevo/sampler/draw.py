"""Drawing: cells at the golden-ratio sequence, and in each cell persona after persona without repetition."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0

Decks = Mapping[int, Sequence[Sequence[int]]]  # cell → groups of persona numbers, each group dealt before the next


def rng_of(*parts: object) -> random.Random:
    """A generator that depends on the parts alone, in every process alike."""
    return random.Random("\x1f".join(map(str, parts)))


def points(seed: str) -> Iterator[float]:
    """The golden-ratio sequence in [0, 1) from a seeded start: any few of its points in a row are spread evenly."""
    start = rng_of(seed, "cells").random()
    index = 0
    while True:
        yield (start + index * _GOLDEN) % 1.0
        index += 1


class Wheel:
    """Cells side by side, each as wide as its weight (all alike if the weights are zero)."""

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._cells = sorted(weights)
        widths = [weights[cell] for cell in self._cells]
        self._ends = list(accumulate(widths if sum(widths) > 0 else [1.0] * len(widths)))

    def at(self, point: float) -> int:
        """The cell at ``point`` in [0, 1) of the way around."""
        return self._cells[min(bisect_right(self._ends, point * self._ends[-1]), len(self._cells) - 1)]


def shuffled(items: Sequence[int], rng: random.Random) -> Iterator[int]:
    """The items in random order (Fisher and Yates), of which only as much is made as is asked for."""
    moved: dict[int, int] = {}
    for place in range(len(items)):
        taken = rng.randrange(place, len(items))
        yield int(items[moved.get(taken, taken)])
        moved[taken] = moved.pop(place, place)


def dealt(decks: Decks, weights: Mapping[int, float], seed: str) -> Iterator[int]:
    """Persona numbers without end. A cell whose personas were all dealt is left out until those of all cells were; then all begin anew."""
    at = points(seed)
    sizes = {cell: sum(map(len, groups)) for cell, groups in decks.items()}
    turn = 0
    while True:
        left = dict(sizes)
        order = {cell: _order(groups, cell, seed, turn) for cell, groups in decks.items()}
        wheel = Wheel({cell: weights[cell] for cell in left})
        while left:
            cell = wheel.at(next(at))
            yield next(order[cell])
            left[cell] -= 1
            if not left[cell]:
                del left[cell]
                wheel = Wheel({cell: weights[cell] for cell in left}) if left else wheel
        turn += 1


def _order(groups: Sequence[Sequence[int]], cell: int, seed: str, turn: int) -> Iterator[int]:
    return chain.from_iterable(shuffled(group, rng_of(seed, cell, turn, number)) for number, group in enumerate(groups))

"""Drawing cells and personas: evenly, without repetition, and the same everywhere."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personaevo.sampler.pool import CellDistribution, draw_personas, points, seeded_rng, shuffled


@pytest.mark.parametrize("seed", ["0", "1", "x\x1fy"])
def test_cells_are_drawn_by_their_weight(seed: str) -> None:
    wheel = CellDistribution({0: 0.5, 4: 0.3, 7: 0.2})
    counts = Counter(wheel.at(point) for point in islice(points(seed), 100))
    assert all(abs(counts[cell] - wanted) <= 2 for cell, wanted in ((0, 50), (4, 30), (7, 20)))


def test_weights_of_zero_are_all_alike() -> None:
    wheel = CellDistribution({0: 0.0, 1: 0.0})
    assert Counter(wheel.at(point) for point in islice(points("0"), 100)) == {0: 50, 1: 50}


@given(st.integers(0, 60), st.integers())
def test_shuffled_is_a_permutation(count: int, seed: int) -> None:
    assert sorted(shuffled(range(count), random.Random(seed))) == list(range(count))


def test_shuffled_has_no_favorite() -> None:
    firsts = Counter(tuple(shuffled([0, 1, 2], seeded_rng(seed))) for seed in range(6_000))
    assert len(firsts) == 6
    assert all(abs(count - 1_000) < 150 for count in firsts.values())


def test_nobody_twice_before_all_were_drawn() -> None:
    decks = {0: ([0, 1],), 1: ([2, 3, 4], [5]), 2: ([6],)}
    drawn = list(islice(draw_personas(decks, {0: 0.98, 1: 0.01, 2: 0.01}, "seed"), 21))
    assert [sorted(drawn[turn : turn + 7]) for turn in (0, 7, 14)] == [list(range(7))] * 3
    assert drawn[:7] != drawn[7:14]
    assert all(drawn.index(5) > drawn.index(number) for number in (2, 3, 4))  # a later group comes later


def test_a_cell_without_weight_comes_last() -> None:
    drawn = list(islice(draw_personas({0: ([0, 1, 2],), 1: ([3],)}, {0: 1.0, 1: 0.0}, "seed"), 4))
    assert drawn[3] == 3

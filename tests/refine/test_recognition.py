"""Who is told apart by a profile's simulated dialogues, and what does not help."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.roles.population import Lineup, Population

SIZE, OTHERS = len(features.names()), 80


def crowd(seed: int = 0) -> tuple[Population, Floats, Floats]:
    """Others with three dialogues each, the last held out; and the person's mean and held-out row. Half the variance is between people."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(OTHERS + 1, SIZE))
    rows = means[:, None] + rng.normal(size=(OTHERS + 1, 3, SIZE))
    whole = rows[1:].reshape(-1, SIZE)
    population = Population(whole, whole[:0], whole[:0], np.repeat(np.arange(OTHERS), 3), np.tile([False, False, True], OTHERS))
    return population, means[:1], rows[0, -1:]


def test_the_own_profile_is_recognized_and_others_are_not() -> None:
    found = []
    for seed in range(6):
        population, mean, held = crowd(seed)
        lineup, rng = Lineup.of(population, held), np.random.default_rng(seed)
        assert lineup is not None
        plays, strange = mean + rng.normal(size=(30, SIZE)), rng.normal(size=(1, SIZE)) + rng.normal(size=(30, SIZE))
        found.append([lineup.recognized(population.scale.points(rows)) for rows in (plays, strange)])
    own, other = np.mean(found, axis=0)
    assert own > 0.9 and other < 0.75


def test_the_population_recognizes_nobody() -> None:
    population, _, held = crowd()
    typical = np.random.default_rng(1).normal(size=(30, SIZE))
    lineup = Lineup.of(population, held, typical)
    assert lineup is not None and lineup.recognized(population.scale.points(typical)) == 0.5


def test_what_the_simulator_does_with_everybody_does_not_count() -> None:
    """All role-plays are off by the same: with the population's played the same way, the person is found as before."""
    shares = []
    for seed in range(8):
        population, mean, held = crowd(seed)
        rng, off = np.random.default_rng(seed), np.full(SIZE, 1.5)
        plays, typical = mean / 2 + rng.normal(size=(30, SIZE)), rng.normal(size=(30, SIZE)) * np.sqrt(2)
        straight, moved, plain = (Lineup.of(population, held, rows) for rows in (typical, typical + off, None))
        assert straight is not None and moved is not None and plain is not None
        points = population.scale.points
        shares.append([
            straight.recognized(points(plays)), moved.recognized(points(plays + off)), plain.recognized(points(plays + off)),
            moved.nearer(points(plays + off)),
        ])  # fmt: skip
    there, off_, against_people, distance = np.mean(shares, axis=0)
    assert off_ == pytest.approx(there, abs=0.1) and off_ > max(against_people, distance)


def test_without_anybody_held_out_there_is_no_lineup() -> None:
    population, _, held = crowd()
    assert Lineup.of(population, held[:0]) is None
    alone = Population(population.whole, population.whole[:0], population.whole[:0])
    assert Lineup.of(alone, held) is None


def test_dialogues_without_occasions_are_nobodys() -> None:
    """Whoever shows next to nothing stands at people's mean: recognized as chance has it, and never a failure."""
    population, _, held = crowd()
    empty = np.full((30, SIZE), np.nan)
    empty[:, 0] = 0.0
    lineup = Lineup.of(population, held, empty)
    assert lineup is not None and lineup.recognized(population.scale.points(empty)) == 0.5

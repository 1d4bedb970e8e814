"""Coverage: the share of people's joint distribution of behaviors that a population matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.measure.energy import Target, energy_distance
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

_DRAWS = 40

# --- coverage


def coverage_level(scorer: Scorer, n: int) -> Level:
    """0 is the distance of the persona-free simulator, 1 that of n other people (mean over draws)."""
    free = scorer.space(scorer.free)
    zero = energy_distance(free, np.zeros(len(free), int), np.ones((1, 1)), scorer.target, n)
    if scorer.others is not None:
        near = _draw_distances(scorer.space(scorer.others), scorer.target, n, np.random.default_rng(scorer.seed))
    else:
        near = _half_distances(scorer.target.points, n, np.random.default_rng(scorer.seed))
    return Level(float(zero[0]), float(near.mean()))


def _draw_distances(points: Floats, target: Target, n: int, rng: np.random.Generator, draws: int = _DRAWS) -> Floats:
    """Energy distances of draws of n of these people, with replacement."""
    weights = rng.multinomial(n, np.full(len(points), 1 / len(points)), size=draws).astype(float)
    return energy_distance(points, np.arange(len(points)), weights, target, n)


def _half_distances(points: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Energy distances of draws of n people from one half to the other half, over many random splits."""
    found = []
    for _ in range(_DRAWS // 2):
        order = rng.permutation(len(points))
        ours, theirs = np.array_split(points[order], 2)
        found.append(_draw_distances(ours, Target.of(theirs), n, rng, draws=2))
    return np.concatenate(found)


COVERAGE = Objective(
    name="coverage", meaning="how much of people's joint distribution is matched: 0 is as far as persona-free, 1 as near as other people",
    needs="population", reads="fingerprints", role="steers", order=2, level=coverage_level,
    raw=lambda played, scorer: energy_distance(
        scorer.space(played.values), played.call, played.weights, scorer.target, played.planned, ~played.done
    ),
)  # fmt: skip

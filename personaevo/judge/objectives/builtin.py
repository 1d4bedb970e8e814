"""Built-in objectives: three that steer (human-likeness, coverage, consistency), a floor (task preservation), and two for comparison.

Each is an ``Objective`` at module level, which the package's registry finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives import Objective, Played, mean_over_dialogues
from personaevo.measure.agreement import jackknife_se, shrunken, weighted
from personaevo.measure.cells import chamfer, people_overlap
from personaevo.measure.energy import Target, energy_distance
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer


# --- human-likeness


HUMAN_LIKENESS = Objective(
    name="human_likeness", meaning="mean P(human) of a dialogue by a calibrated judge, as a share of other people's",
    needs="dialogue", reads="fingerprints", role="steers", order=1,
    raw=lambda played, scorer: played.means(played.p_human),
    level=lambda scorer, n: Level(0.0, scorer.people_p_human),
)  # fmt: skip


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


# --- consistency


def consistency_raw(played: Played, scorer: Scorer) -> Floats:
    """Intraclass correlation over two dialogues of each persona: mean over the features that vary among people, shrunk toward 0 by its
    jackknife error over ``generate`` calls, so that a population without differences gets 0 instead of noise."""
    pairs = played.pairs
    if not len(pairs):
        return np.zeros(len(played.weights))
    values, calls = played.values[pairs], played.call[pairs[:, 0]]
    found = weighted(values, calls, played.weights, scorer.varying)
    if not scorer.shrinks:
        return found
    error = jackknife_se(weighted(values, calls, 1.0 - np.eye(played.weights.shape[1]), scorer.varying))
    return np.asarray(shrunken(found, error))


def consistency_share(found: Floats, level: Level, played: Played | None) -> Floats:
    """``max(0, min(C / C_people, C_people / C))`` times the share of personas with two completed dialogues; too much consistency lowers the
    share as too little does."""
    positive = np.maximum(found, 1e-9)
    near: Floats = np.maximum(0.0, np.minimum(found / level.people, level.people / positive))
    return near if played is None else near * played.paired_share


CONSISTENCY = Objective(
    name="consistency", meaning="two dialogues of one persona agree as much as two of one person: 1 is as much, too much lowers it too",
    needs="persona", reads="fingerprints", role="steers", order=3, raw=consistency_raw, share=consistency_share,
    level=lambda scorer, n: None if scorer.agreement is None else Level(0.0, scorer.agreement.value),
)  # fmt: skip


# --- task preservation: a persona may change how a user talks, but not what the user asks for


TASK_PRESERVATION = Objective(
    name="task_preservation", meaning="facts stated are the task's, asked-for facts are given, the goal is pursued; held, not traded",
    needs="dialogue", role="holds", floor=0.9, order=4,
    raw=mean_over_dialogues(lambda episode: episode.preservation),
    level=lambda scorer, n: Level(0.0, 1.0),  # all checks pass; it is not measured on people, since they had other tasks
)  # fmt: skip


# --- overlap over cells: it does not steer, since it ignores both correlations inside a cell and dialogues outside all cells


def overlap_raw(played: Played, scorer: Scorer) -> Floats:
    """``sum over cells of min(share of the planned dialogues, people's share)``."""
    found: Floats = np.minimum(cell_shares(played, len(scorer.cells)), scorer.cells.masses).sum(axis=1)
    return found


def cell_shares(played: Played, cells: int) -> Floats:
    """Share of the planned dialogues in each cell under each weighting, ``[k, cells]``; failed and outside dialogues are in none."""
    members = np.zeros((len(played.episodes), cells))
    for row, one in enumerate(played.episodes):
        if one.cell is not None:
            members[row, one.cell] = 1.0
    return played.means(members)


def overlap_level(scorer: Scorer, n: int) -> Level:
    """Expected overlap of n other people."""
    if scorer.others is None:
        return Level(0.0, people_overlap(scorer.people, scorer.cells, n, seed=scorer.seed))
    assigned = scorer.cells.assign(scorer.others)
    rng = np.random.default_rng(scorer.seed)
    draws = [scorer.cells.shares(assigned[rng.integers(len(assigned), size=n)], n) for _ in range(200)]
    return Level(0.0, float(np.minimum(draws, scorer.cells.masses).sum(axis=1).mean()))


OVERLAP = Objective(
    name="overlap", meaning="overlap with people over the cells, as a share of what equally many other people reach; does not steer",
    needs="population", reads="fingerprints", raw=overlap_raw, level=overlap_level, order=5,
)  # fmt: skip


# --- PPol's Chamfer coverage (arXiv 2605.12894): it does not steer, since ten copies of the average person score as well as ten people

CHAMFER = Objective(
    name="chamfer", meaning="PPol's Chamfer coverage, raw, for comparison; does not steer", needs="population", reads="fingerprints",
    order=6, raw=lambda played, scorer: np.full(  # the same under every weighting: nearest neighbors are not defined by call
        len(played.weights), chamfer(played.values, scorer.people, scorer.cells.standard, scorer.apart)
    ),
)  # fmt: skip

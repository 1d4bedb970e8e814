"""Overlap over cells, used by the archive's coverage views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.measure.cells import people_overlap
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

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

"""PPol's coverage (arXiv 2605.12894), for comparison. It does not steer: the average person, copied ten times, scores as ten people do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.measure.cells import chamfer
from personaevo.records import Floats

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer


def raw(played: Played, scorer: Scorer) -> Floats:
    """Chamfer coverage of all dialogues, the same under every weighting (nearest neighbors say nothing of whole calls)."""
    return np.full(len(played.weights), chamfer(played.values, scorer.people, scorer.cells.standard, scorer.apart))


OBJECTIVE = Objective(
    name="chamfer", meaning="PPol's Chamfer coverage, raw, for comparison; does not steer", needs="population", reads="fingerprints",
    raw=raw, order=6,
)  # fmt: skip

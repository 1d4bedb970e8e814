"""PPol's Chamfer coverage (arXiv 2605.12894), for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.measure.cells import chamfer
from personaevo.records import Floats

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

# --- PPol's Chamfer coverage (arXiv 2605.12894): it does not steer, since ten copies of the average person score as well as ten people


def chamfer_raw(played: Played, scorer: Scorer) -> Floats:
    """Chamfer coverage of all dialogues, the same under every weighting, since nearest neighbors are not defined by call."""
    return np.full(len(played.weights), chamfer(played.values, scorer.people, scorer.cells.standard, scorer.apart))


CHAMFER = Objective(
    name="chamfer", meaning="PPol's Chamfer coverage, raw, for comparison; does not steer", needs="population", reads="fingerprints",
    raw=chamfer_raw, order=6,
)  # fmt: skip

"""PPol's Chamfer coverage (arXiv 2605.12894), for comparison."""

from __future__ import annotations

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import chamfer

# --- PPol's Chamfer coverage (arXiv 2605.12894): it does not steer, since ten copies of the average person score as well as ten people

CHAMFER = Objective(
    name="chamfer", meaning="PPol's Chamfer coverage, raw, for comparison; does not steer", needs="population", reads="fingerprints",
    order=6, raw=lambda played, scorer: np.full(  # the same under every weighting: nearest neighbors are not defined by call
        len(played.weights), chamfer(played.values, scorer.people, scorer.cells.standard, scorer.apart)
    ),
)  # fmt: skip

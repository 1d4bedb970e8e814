"""Built-in objectives: three that steer (human-likeness, coverage, consistency), a floor (task preservation), and two for comparison.

Each is an ``Objective`` at module level, which the package's registry finds.
"""

from __future__ import annotations

from personaevo.judge.objectives.base import Objective
from personaevo.records import Level

# --- human-likeness


HUMAN_LIKENESS = Objective(
    name="human_likeness", meaning="mean P(human) of a dialogue by a calibrated judge, as a share of other people's",
    needs="dialogue", reads="fingerprints", role="steers", order=1,
    raw=lambda played, scorer: played.means(played.p_human),
    level=lambda scorer, n: Level(0.0, scorer.people_p_human),
)  # fmt: skip

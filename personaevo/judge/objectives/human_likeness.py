"""Built-in objectives: three that steer (human-likeness, coverage, consistency), a floor (task preservation), and two for comparison.

Each is an ``Objective`` at module level, which the package's registry finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

# --- human-likeness


def likeness_raw(played: Played, scorer: Scorer) -> Floats:
    """Mean P(human) over the planned dialogues."""
    return played.means(played.p_human)


def likeness_level(scorer: Scorer, n: int) -> Level:
    """Mean P(human) of people by a judge that was not trained on them."""
    return Level(0.0, scorer.people_p_human)


HUMAN_LIKENESS = Objective(
    name="human_likeness", meaning="mean P(human) of a dialogue by a calibrated judge, as a share of other people's",
    needs="dialogue", reads="fingerprints", raw=likeness_raw, level=likeness_level, role="steers", order=1,
)  # fmt: skip

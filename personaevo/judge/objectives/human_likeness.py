"""Human-likeness: would a judge who knows people and much that resembles them take these dialogues for people's?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer


def raw(played: Played, scorer: Scorer) -> Floats:
    """Mean P(human) over the planned dialogues."""
    return played.means(played.p_human)


def level(scorer: Scorer, n: int) -> Level:
    """People's mean P(human) by a judge that never saw them."""
    return Level(0.0, scorer.people_p_human)


OBJECTIVE = Objective(
    name="human_likeness", meaning="mean P(human) of a dialogue by a calibrated judge, as a share of other people's",
    needs="dialogue", reads="fingerprints", raw=raw, level=level, role="steers", order=1,
)  # fmt: skip

"""What an objective is: one number of a program, told as a share of what equally many other people get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from personaevo.judge.played import Played
from personaevo.records import Episode, Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

Role = Literal["steers", "holds", "beside"]


def share_of(raw: Floats, level: Level, played: Played | None) -> Floats:
    """Where ``raw[k]`` lies between the level of 0 and that of people, 1; beyond both ends it goes on."""
    found: Floats = (raw - level.zero) / (level.people - level.zero)
    return found


def no_level(scorer: Scorer, n: int) -> Level | None:
    """People's figures do not tell what they get: the raw value is shown."""
    return None


@dataclass(frozen=True)
class Objective:
    """One objective; a file of this package defines it as ``OBJECTIVE``, and everything that lists objectives finds it there.

    Attributes:
        name: in archives, tables and JSON.
        meaning: one line for readers.
        needs: what it is a property of: "dialogue", "persona" (both dialogues of each) or "population".
        reads: what it is computed from: "fingerprints", which people's references have too, or the "turns" of dialogues, which they have
            not: then it is not measured of people.
        raw: the statistic under each weighting of the ``generate`` calls, ``[k]``, from stored fingerprints and turns.
        level: its value where the share is 0 and where people are, who are equally many and are neither the judge's nor the cells'; None
            if people's figures do not tell: then the raw value is shown.
        share: makes raw values shares; None in the place of the dialogues stands for people, all of whose dialogues are there.
        role: it "steers" the search, it "holds" (a floor, no trade), or it stands "beside".
        direction: whether "more" or "less" of the share is better. One that steers is shaped so that more is better and people are at 1.
        floor: below it (above it, where less is better) a program cannot be a parent, an elite or the best; for one that holds.
        order: its place in tables; the name decides between equals.
        version: counts up when the same data give another number.
    """

    name: str
    meaning: str
    needs: Literal["dialogue", "persona", "population"]
    raw: Callable[[Played, Scorer], Floats]
    reads: Literal["fingerprints", "turns"] = "turns"
    level: Callable[[Scorer, int], Level | None] = no_level
    share: Callable[[Floats, Level, Played | None], Floats] = share_of
    role: Role = "beside"
    direction: Literal["more", "less"] = "more"
    floor: float | None = None
    order: int = 100
    version: int = 1


def mean_over_dialogues(value: Callable[[Episode], float]) -> Callable[[Played, Scorer], Floats]:
    """A statistic that is the mean of a number of each completed dialogue; a failed one counts as 0."""

    def raw(played: Played, scorer: Scorer) -> Floats:
        return played.means(np.array([value(one) if one.state == "completed" else 0.0 for one in played.episodes]))

    return raw

"""The base of objectives: ``Objective``, one number of a program as a share of the value of equally many other people."""

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
    """Scale ``raw[k]`` linearly so that the zero level is 0 and people's level is 1; not clipped."""
    found: Floats = (raw - level.zero) / (level.people - level.zero)
    return found


def no_level(scorer: Scorer, n: int) -> Level | None:
    """No levels: the raw value is reported. (Defaults are functions, not lambdas, because objectives are pickled.)"""
    return None


@dataclass(frozen=True)
class Objective:
    """One objective. The registry finds it as a module-level variable in a file of ``personaevo.judge.objectives``.

    Attributes:
        name: key in archives, tables and JSON.
        meaning: one line for readers.
        needs: unit that it is a property of: "dialogue", "persona" (both dialogues of each) or "population".
        reads: its input: "fingerprints", or the "turns" of dialogues. Reference data has no turns, so an objective of turns is not
            measured on people.
        raw: the statistic under each weighting of the ``generate`` calls, ``[k]``, from stored fingerprints and turns.
        level: raw values for the shares 0 and 1 (equally many other people, unknown to judge and cells); None if reference data does not
            determine them, and the raw value is shown.
        share: converts raw values to shares, by default linearly without clipping; its third argument is None for people, of whom no
            dialogue is missing.
        role: "steers" (part of the score), "holds" (a floor, not traded off) or "beside" (reported only).
        direction: whether "more" or "less" of the share is better. An objective that steers is scaled so that more is better and people
            have 1.
        floor: with the role "holds": a program below it (above it, if less is better) cannot be a parent, an elite or the best.
        order: position in tables; ties are broken by name.
        version: counts up when the same data gives a different value.
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
    """A raw statistic: the mean of ``value`` over the planned dialogues, where a failed dialogue counts as 0."""

    def raw(played: Played, scorer: Scorer) -> Floats:
        return played.means(np.array([value(one) if one.state == "completed" else 0.0 for one in played.episodes]))

    return raw

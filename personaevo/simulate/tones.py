"""The behaviors that a turn shows: each with a chance per turn, autocorrelated between turns.

The process is a discrete autoregression (Jacobs and Lewis 1978): with the probability ``persistence`` a behavior keeps the last turn's
draw, else it gets a new one. So every turn has the dial's chance, and ``persistence`` is the correlation of neighboring turns. Random
deviations are not compensated; only behaviors that were due and could not be shown stay owed.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from personaevo import definitions
from personaevo.definitions import ACK

ACK_CAN_SHOW = frozenset({"politeness_rate", "emotion_rate", "certainty_rate"})  # behaviors with forms of a bare acknowledgement
_AFTER_A_MISTAKE = 3.0  # times its rate


class BehaviorDraws:
    """The behavior draws of one dialogue. ``rates`` are their chances per turn, ``owed`` counts those due and not shown."""

    def __init__(self, rates: Mapping[str, float], persistence: float) -> None:
        self.rates, self.persistence, self.behaviors = dict(rates), persistence, definitions.behaviors()
        self.owed = dict.fromkeys(self.rates, 0.0)
        self.draws: dict[str, float] = {}

    def move(self, rng: random.Random) -> None:
        """Draw for the next turn."""
        last, keep, draw = self.draws, self.persistence, rng.random
        self.draws = {name: last[name] if last and draw() < keep else draw() for name in (*self.behaviors.free, "exclusive", ACK)}

    def due(self, mistake: bool, weight: float = 1.0) -> set[str]:
        """The due behaviors of this turn, without the bare acknowledgement. ``weight`` multiplies their chances; the higher chance after a
        ``mistake`` of the agent is compensated later."""
        due = {name for name in self.behaviors.free if self.draws[name] < self.chance(name, mistake, weight=weight)}
        draw, taken = self.draws["exclusive"], 0.0
        for name in self.behaviors.exclusive:  # a turn shows at most one of them
            chance = self.chance(name, mistake, 1.0 - taken, weight)
            if taken <= draw < taken + chance:
                due.add(name)
            taken += chance
        return due

    def chance(self, name: str, mistake: bool = False, most: float = 1.0, weight: float = 1.0) -> float:
        """The behavior's chance in this turn, which reduces the amount owed."""
        rate, owed = self.rates[name] * weight, self.owed[name]
        if not mistake and not owed and rate <= most:
            return rate
        wanted = rate * _AFTER_A_MISTAKE if mistake and name in self.behaviors.reactive else rate + owed
        chance = min(max(wanted, 0.0), most)
        self.owed[name] = owed + rate - chance
        return chance

    def defer(self, names: Collection[str]) -> None:
        """Postpone behaviors that were due and not shown."""
        for name in names:
            self.owed[name] += 1.0

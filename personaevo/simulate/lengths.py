"""How long each turn is to be, so that the dialogue as a whole meets the dials that speak of length."""

from __future__ import annotations

import random
from dataclasses import dataclass

SHORT = 3
_SHORT_MEAN = 2.0
_GREETING = 0.5  # a first turn that nobody sized is a greeting, perhaps with a word on why: shorter than the others
_HORIZON = 3.0  # the mean is steered over at least this many coming turns, else the last ones would swing wildly


@dataclass
class LengthPlan:
    """Draws turn lengths: a mixture of short turns (up to three words) and gamma-distributed longer ones.

    ``short`` None means that short turns come as the gamma has them; ``opening`` and ``front`` None leave the first two turns to the same
    draw. Facts and markers have lengths of their own, so ``said`` must be told how long each turn became: the mean of the coming turns
    and their chance of being short make up for it.
    """

    mean: float
    cv: float
    short: float | None
    opening: float | None
    front: float | None
    expected_turns: float
    turns: int = 0
    words: int = 0
    owed: float = 0.0

    def next(self, rng: random.Random) -> int:
        """Words for the coming turn, at least 1."""
        if self.turns == 0 and self.opening is not None:
            return max(1, round(self.opening * rng.lognormvariate(-0.03, 0.25)))
        if self.turns == 0:
            return self._draw(self.mean * _GREETING, rng)
        if self.turns == 1 and self.front is not None:
            wanted = self.front * self.mean * self.expected_turns - self.words
            return max(1, round(wanted * rng.lognormvariate(-0.02, 0.2)) if wanted > 0 else 1)
        ahead = self._ahead()
        mean = (self.mean * (self.turns + ahead) - self.words) / ahead
        return self._draw(min(max(mean, 0.6 * self.mean), 1.6 * self.mean), rng)

    def said(self, words: int) -> None:
        """Counts a turn that was said."""
        self.turns += 1
        self.words += words
        self.owed += (self.short or 0.0) - (words <= SHORT)

    def _ahead(self) -> float:
        return max(self.expected_turns - self.turns, _HORIZON)

    def _draw(self, mean: float, rng: random.Random) -> int:
        short = self.short or 0.0
        if rng.random() < short + max(self.owed, 0.0) / self._ahead():
            return rng.randint(1, SHORT)
        longer = max((mean - short * _SHORT_MEAN) / max(1.0 - short, 0.05), 1.0 if self.short is None else SHORT + 1.0)
        spread = (self.cv * self.mean) ** 2 - short * (1.0 - short) * (longer - _SHORT_MEAN) ** 2
        variance = max(spread / max(1.0 - short, 0.05), 0.01 * longer**2)
        drawn = rng.gammavariate(longer**2 / variance, variance / longer)
        return max(1 if self.short is None else SHORT + 1, round(drawn))

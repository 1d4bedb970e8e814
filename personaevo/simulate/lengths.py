"""How long each turn is to be, so that the dialogue as a whole meets the dials that speak of length."""

from __future__ import annotations

import random
from dataclasses import dataclass

SHORT = 3
_SHORT_MEAN = 2.0
_GREETING = 0.5  # a first turn that nobody sized is a greeting, perhaps with a word on why: shorter than the others
_HORIZON = 3.0  # mean and spread are steered over at least this many coming turns, else the last ones would swing wildly
_MEAN_SWING = (0.6, 1.6)  # how far the coming turns may go to make up for those that were said
_SPREAD_SWING = (0.1, 2.0)


@dataclass
class LengthPlan:
    """Draws turn lengths: a mixture of short turns (up to three words) and gamma-distributed longer ones.

    ``short`` None means that short turns come as the gamma has them; ``opening`` and ``front`` None leave the first two turns to the same
    draw. Facts and markers have lengths of their own, so ``said`` must be told how long each turn became: mean, spread and chance of
    being short of the coming turns make up for it.
    """

    mean: float
    cv: float
    short: float | None
    opening: float | None
    front: float | None
    expected_turns: float
    turns: int = 0
    words: int = 0
    squares: float = 0.0  # sum of squared deviations from the mean
    owed: float = 0.0  # short turns that were not had
    planned_short: bool = False

    def next(self, rng: random.Random) -> int:
        """Words for the coming turn, at least 1."""
        self.owed += self.short or 0.0
        if self.turns == 0 and self.opening is not None:
            return max(1, round(self.opening * rng.lognormvariate(-0.03, 0.25)))
        if self.turns == 0:
            return self._draw(self.mean * _GREETING, rng)
        if self.turns == 1 and self.front is not None:
            wanted = self.front * self.mean * self.expected_turns - self.words
            return max(1, round(wanted * rng.lognormvariate(-0.02, 0.2)) if wanted > 0 else 1)
        return self._draw(self._made_up(self.mean, self.words, _MEAN_SWING), rng)

    def said(self, words: int) -> None:
        """Counts a turn that was said."""
        self.turns += 1
        self.words += words
        self.squares += (words - self.mean) ** 2
        self.owed += self.planned_short - (words <= SHORT)
        self.planned_short = False

    def _made_up(self, each: float, so_far: float, swing: tuple[float, float]) -> float:
        """What each coming turn is to have, so that all have ``each`` on average."""
        ahead = max(self.expected_turns - self.turns, _HORIZON)
        wanted = (each * (self.turns + ahead) - so_far) / ahead
        return min(max(wanted, swing[0] * each), swing[1] * each)

    def _draw(self, mean: float, rng: random.Random) -> int:
        if rng.random() < self._chance_of_short():
            self.planned_short = True
            return rng.randint(1, SHORT)
        short = self.short or 0.0
        longer = max((mean - short * _SHORT_MEAN) / max(1.0 - short, 0.05), 1.0 if self.short is None else SHORT + 1.0)
        spread = self._made_up((self.cv * self.mean) ** 2, self.squares, _SPREAD_SWING)
        between = short * (1.0 - short) * (longer - _SHORT_MEAN) ** 2
        variance = max((spread - between) / max(1.0 - short, 0.05), 0.01 * longer**2)
        drawn = rng.gammavariate(longer**2 / variance, variance / longer)
        return max(1 if self.short is None else SHORT + 1, round(drawn))

    def _chance_of_short(self) -> float:
        chance = min(max(self.owed, 0.0), 1.0) if self.short else 0.0
        self.owed -= chance
        return chance

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
    draw. The mean of the coming turns is corrected by what was said so far, since facts and markers have lengths of their own.
    """

    mean: float
    cv: float
    short: float | None
    opening: float | None
    front: float | None
    expected_turns: float

    def next(self, turn: int, words_so_far: int, rng: random.Random) -> int:
        """Words for turn number ``turn`` (0 is the first), at least 1."""
        if turn == 0 and self.opening is not None:
            return max(1, round(self.opening * rng.lognormvariate(-0.03, 0.25)))
        if turn == 0:
            return self._draw(self.mean * _GREETING, rng)
        if turn == 1 and self.front is not None:
            wanted = self.front * self.mean * self.expected_turns - words_so_far
            return max(1, round(wanted * rng.lognormvariate(-0.02, 0.2)) if wanted > 0 else 1)
        ahead = max(self.expected_turns - turn, _HORIZON)
        mean = (self.mean * (turn + ahead) - words_so_far) / ahead
        return self._draw(min(max(mean, 0.6 * self.mean), 1.6 * self.mean), rng)

    def _draw(self, mean: float, rng: random.Random) -> int:
        short = self.short or 0.0
        if rng.random() < short:
            return rng.randint(1, SHORT)
        longer = max((mean - short * _SHORT_MEAN) / max(1.0 - short, 0.05), 1.0 if self.short is None else SHORT + 1.0)
        spread = (self.cv * self.mean) ** 2 - short * (1.0 - short) * (longer - _SHORT_MEAN) ** 2
        variance = max(spread / max(1.0 - short, 0.05), 0.01 * longer**2)
        drawn = rng.gammavariate(longer**2 / variance, variance / longer)
        return max(1 if self.short is None else SHORT + 1, round(drawn))

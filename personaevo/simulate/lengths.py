"""How long each turn is to be: drawn for each turn, so that lengths vary as the dials say, and nothing drawn by chance is paid back."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist

SHORT = 3
_SHORT_MEAN = 2.0
_GREETING = 0.5  # a first turn that nobody sized is a greeting, perhaps with a word on why: shorter than the others
_REST = (0.5, 1.6)  # how far the mean of the turns after the first two may lie from the mean of all
_LEAST_CV = 0.05
_OPENING_SPREAD = 0.25  # log-SD of the turns whose length a dial fixes
_SECOND_SPREAD = 0.1
_LONGEST = 8.0  # no turn is longer than so many times the mean of the longer ones
_GIVEN_BACK = 0.45  # a turn makes up for at most so much of itself
_NORMAL = NormalDist()
_QUANTILE = _NORMAL.inv_cdf


@dataclass
class LengthPlan:
    """Draws turn lengths: a mixture of short turns (up to three words) and lognormal longer ones.

    Each turn is a quantile of that mixture, at the place of a Gaussian that goes on from turn to turn with autocorrelation
    ``persistence``. ``short`` None means that short turns come as the lognormal has them; ``opening`` and ``front`` None leave the first
    two turns to the same draw. What these dials fix of the first two turns is taken into account from the start: mean, spread and share
    of short turns of the others are such that all ``expected_turns`` together have what was asked for.

    Facts and markers have lengths of their own, so ``said`` must be told how long each turn became. The coming turns make up for the
    words that were forced upon a turn (or that it could not be filled with), never for a draw.
    """

    mean: float
    cv: float
    short: float | None
    opening: float | None
    front: float | None
    expected_turns: float
    persistence: float = 0.0
    turns: int = 0
    state: float = 0.0  # the Gaussian behind the lengths
    budget: int = 0
    forced: float = 0.0  # words beyond the budgets so far
    owed: float = 0.0  # short turns that had to be long
    chance: float = 0.0  # of the last turn's being short
    planned_short: bool = False
    rest: float = field(init=False)  # mean, variance and share of short ones of the turns that neither dial fixes
    variance: float = field(init=False)
    share: float = field(init=False)

    def __post_init__(self) -> None:
        turns = max(self.expected_turns, 4.0)
        first = self.mean * _GREETING if self.opening is None else self.opening
        second = None if self.front is None else max(self.front * self.mean * turns - first, 1.0)
        apart = [first] if second is None else [first, second]
        left = turns - len(apart)
        self.second = second
        self.rest = min(max((self.mean * turns - sum(apart)) / left, _REST[0] * self.mean), _REST[1] * self.mean)
        fixed = apart[1:] if self.opening is None else apart
        short = (self.short or 0.0) * turns - sum(words <= SHORT for words in fixed)
        self.share = min(max(short / (turns - len(fixed)), 0.0), 1.0)
        between = sum((words - self.mean) ** 2 for words in apart) + left * (self.rest - self.mean) ** 2
        between += (_SECOND_SPREAD * (second or 0.0)) ** 2 + (_OPENING_SPREAD * (self.opening or 0.0)) ** 2
        spread = ((self.cv * self.mean) ** 2 * turns - between) * (1.0 + self.cv**2)  # few draws of a skewed length show less of it
        shown = max(left - 2.0, 1.0)  # not left: a dialogue's spread is about its own mean
        self.variance = max(spread / shown, (_LEAST_CV * self.rest) ** 2)

    def next(self, rng: random.Random, acks: float = 0.0) -> int:
        """Words for the coming turn, at least 1; ``acks`` is the least chance of a short turn, so that it can be a bare acknowledgement."""
        self.state = self.persistence * self.state + math.sqrt(1.0 - self.persistence**2 if self.turns else 1.0) * rng.gauss(0.0, 1.0)
        self.chance, self.planned_short = 0.0, False
        if self.turns == 0 and self.opening is not None:
            words = round(self.opening * math.exp(_OPENING_SPREAD * self.state - _OPENING_SPREAD**2 / 2.0))
        elif self.turns == 1 and self.second is not None:
            words = round(self.second * math.exp(_SECOND_SPREAD * self.state - _SECOND_SPREAD**2 / 2.0))
        else:
            words = self._drawn(self.rest if self.turns else self.mean * _GREETING, acks)
        self.budget = max(1, words)
        return self.budget

    def said(self, words: int) -> None:
        """Counts a turn that was said."""
        self.turns += 1
        self.forced += max(words - self.budget, -SHORT)
        self.owed += self.planned_short and words > SHORT

    def _drawn(self, mean: float, acks: float) -> int:
        """The quantile of the mixture at the Gaussian's place; longer turns make up, gently, for what was forced."""
        chance = self._chance_of_short(acks)
        place = _NORMAL.cdf(self.state)
        if place < chance:
            self.planned_short = True
            return 1 + int(SHORT * place / chance)
        least = 1.0 if self.short is None else SHORT + 1.0
        share = max(self.share, acks)
        longer = max((mean - share * _SHORT_MEAN) / max(1.0 - share, 0.05), least)
        variance = (self.variance - share * (1.0 - share) * (longer - _SHORT_MEAN) ** 2) / max(1.0 - share, 0.05)
        above_least = longer - least + 0.5
        within = math.log1p(max(variance / above_least**2, _LEAST_CV**2))
        at = self.state if chance <= 0.0 else _QUANTILE(min(max((place - chance) / (1.0 - chance), 1e-9), 1.0 - 1e-9))
        words = least - 0.5 + above_least * min(math.exp(math.sqrt(within) * at - within / 2.0), _LONGEST)
        made_up = min(max(self.forced, -_GIVEN_BACK * words), _GIVEN_BACK * words)
        self.forced -= made_up
        return max(round(words - made_up), int(least))

    def _chance_of_short(self, acks: float) -> float:
        wanted = self.share + self.owed if self.share else 0.0
        chance = min(wanted, 1.0)
        self.owed = wanted - chance if self.share else 0.0
        self.chance = min(max(chance, acks), 1.0)
        return self.chance

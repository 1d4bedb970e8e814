"""Lengths of turns: drawn for each turn, so that they vary as the dials say. Random deviations are not compensated, forced ones are."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist

SHORT = 3
_EVEN_SHORT = 6.0  # mean words from which on turns of one, two and three words are equally frequent; below it shorter ones prevail
_BY_WORDS = 0.7  # exponent of a behavior's chance in a turn's length: 1 is a chance per word, 0 a chance per turn
_GREETING = 0.5  # length of a first turn without a dial, a greeting, relative to the mean
_REST = (0.5, 1.6)  # limits of the mean of the turns after the first two, relative to the mean of all
_LEAST_CV = 0.05
_SECOND_SPREAD = 0.1  # log-SD of the second turn if a dial fixes the share of the first two; the first varies like the others
_LONGEST = 8.0  # the longest turn, relative to the mean of those that are not short
_GIVEN_BACK = 0.45  # the largest share of its length by which a turn compensates
_PLACES = [(number + 0.5) / 16 for number in range(16)]  # quantiles over which the mixture is averaged
_GAUSSIAN = NormalDist()
_QUANTILE = _GAUSSIAN.inv_cdf


@dataclass
class LengthPlan:
    """Draws turn lengths: a mixture of short turns (up to three words) and lognormal longer ones.

    Each turn is a quantile of that mixture, given by a Gaussian process with autocorrelation ``persistence``. With ``short`` None short
    turns come from the lognormal; with ``opening`` and ``front`` None the first two turns are drawn like the others. If these dials fix the
    first two turns, mean, spread and share of short turns of the others are such that all ``expected_turns`` together match the dials.

    Facts and markers have fixed lengths, so ``said`` must report the length of each turn. Later turns compensate for words that were
    forced on a turn (or could not be filled in), never for a draw.
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
    owed: float = 0.0  # short turns that were forced to be long
    chance: float = 0.0  # that the last turn was short
    planned_short: bool = False
    short_mean: float = field(init=False)  # words of a short turn
    rest: float = field(init=False)  # mean, variance and share of short turns among those that no dial fixes
    variance: float = field(init=False)
    share: float = field(init=False)
    drawn: float = 1.0  # the last turn's length before compensation
    norm: float = field(init=False)  # the mean over turns of the weight before normalization
    bounds: list[float] = field(init=False)
    least: int = field(init=False)  # words of a turn that is not short

    def __post_init__(self) -> None:
        ratio = min(self.mean / _EVEN_SHORT, 1.0)
        shares = [1.0, ratio, ratio**2]
        self.bounds = [sum(shares[:count]) / sum(shares) for count in range(1, SHORT)]
        self.short_mean = sum(words * share for words, share in enumerate(shares, 1)) / sum(shares)
        self.least = 1 if self.short is None else SHORT + 1
        apart = self._set_rest()
        rest = [self._at(place, self.rest, self.share, self.share) for place in _PLACES]
        mean_of_rest = sum((words / self.mean) ** _BY_WORDS for words in rest) / len(rest)
        turns = max(self.expected_turns, 4.0)
        of_apart = sum((words / self.mean) ** _BY_WORDS for words in apart)
        self.norm = float(of_apart + (turns - len(apart)) * mean_of_rest) / turns

    def _set_rest(self) -> list[float]:
        """Set mean, variance and share of short turns among those that no dial fixes; returns the means of the others."""
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
        between += (_SECOND_SPREAD * (second or 0.0)) ** 2 + (self.cv * (self.opening or 0.0)) ** 2
        spread = ((self.cv * self.mean) ** 2 * turns - between) * (1.0 + self.cv**2)  # few draws of a skewed distribution show less
        shown = max(left - 2.0, 1.0)  # degrees of freedom: a dialogue's spread is about its own mean
        self.variance = max(spread / shown, (_LEAST_CV * self.rest) ** 2)
        return apart

    def next(self, rng: random.Random, acks: float = 0.0) -> int:
        """Words for the coming turn, at least 1; ``acks`` is the least chance of a short turn, so that it can be a bare acknowledgement."""
        self.state = self.persistence * self.state + math.sqrt(1.0 - self.persistence**2 if self.turns else 1.0) * rng.gauss(0.0, 1.0)
        self.chance, self.planned_short = 0.0, False
        fixed: tuple[float, float] | None = None  # mean and log-SD of a turn that a dial fixes
        if self.turns == 0 and self.opening is not None:
            fixed = self.opening, math.sqrt(math.log1p(self.cv**2))
        elif self.turns == 1 and self.second is not None:
            fixed = self.second, _SECOND_SPREAD
        if fixed is not None:
            mean, spread = fixed
            self.drawn = self.budget = max(1, round(mean * math.exp(spread * self.state - spread**2 / 2.0)))
        else:
            self.budget = self._made_up(self.rest if self.turns else self.mean * _GREETING, acks)
        return self.budget

    def said(self, words: int) -> None:
        """Record the length of a turn."""
        self.turns += 1
        self.forced += max(words - self.budget, -SHORT)
        self.owed += self.planned_short and words > SHORT

    def _made_up(self, mean: float, acks: float) -> int:
        """The mixture's quantile for the Gaussian state; longer turns compensate gradually for forced words."""
        wanted = self.share + self.owed if self.share else 0.0
        chance = min(wanted, 1.0)
        self.owed = wanted - chance if self.share else 0.0
        self.chance = chance = min(max(chance, acks), 1.0)
        place = _GAUSSIAN.cdf(self.state)
        self.planned_short = place < chance
        self.drawn = words = self._at(place, mean, chance, max(self.share, acks))
        if self.planned_short:
            return int(words)
        made_up = min(max(self.forced, -_GIVEN_BACK * words), _GIVEN_BACK * words)
        self.forced -= made_up
        return max(round(words - made_up), self.least)

    def _at(self, place: float, mean: float, chance: float, share: float) -> float:
        """The quantile ``place`` (0 to 1) of a mixture with ``chance`` short turns; the longer ones give the right mean for ``share`` short
        turns."""
        if place < chance:
            return 1.0 + sum(place / chance > bound for bound in self.bounds)
        longer, within = self._longer(mean, share)
        at = _QUANTILE(min(max((place - chance) / (1.0 - chance), 1e-9), 1.0 - 1e-9))
        least = self.least
        words = least - 0.5 + (longer - least + 0.5) * min(math.exp(math.sqrt(within) * at - within / 2.0), _LONGEST)
        return max(words, float(least))

    def _longer(self, mean: float, share: float) -> tuple[float, float]:
        """Mean of the turns that are not short, and variance of their logarithm, for a given share of short turns."""
        least = self.least
        longer = max((mean - share * self.short_mean) / max(1.0 - share, 0.05), float(least))
        variance = (self.variance - share * (1.0 - share) * (longer - self.short_mean) ** 2) / max(1.0 - share, 0.05)
        return longer, math.log1p(max(variance / (longer - least + 0.5) ** 2, _LEAST_CV**2))

    def weight(self) -> float:
        """The relative chance of a behavior in this turn; its mean over turns is 1. People show most behaviors in their longer turns. It
        depends on the drawn length, since the compensated length would lower the mean."""
        return float((self.drawn / self.mean) ** _BY_WORDS) / self.norm

"""Random draws of a simulated user: the dials of a dialogue, the behaviors of a turn, and the lengths of turns.

Each dialogue draws its dials around the values of the person, preserving means. The model is Gaussian: a rate is the probability that
a Gaussian is below a threshold, and ``mood_swing`` squared is the share of its variance that is common to the turns of a dialogue (a
probit-normal rate); quantities are lognormal. No reference data are used.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from personaevo import definitions
from personaevo.definitions import ACK

# Log-SD of each quantity at the full swing. Patience and evenness vary less than the amount said.
AMOUNTS = {
    "words_per_turn": 1.2, "opening_words": 1.2, "identifiers_per_turn": 1.2, "facts_per_turn": 1.2, "slips_per_100_words": 1.2,
    "verbosity_cv": 0.6, "patience_turns": 0.6,
}  # fmt: skip
OF_THE_TURNS = frozenset({"mood_swing", "persistence", "front_loading"})
TALKATIVE = {"words_per_turn": 1.0, "opening_words": 1.0, "short_rate": -1.0, "ack_only_rate": -1.0}  # these share one draw
_MOST_SHARED = 0.95
# Correlation of a rate with talkativeness between dialogues: longer dialogues show more of every behavior, with the same exponent of the
# words as between turns (``lengths``). The exponent 0.7 times a log-SD of 1.2, over 1.5 (the effect on the probit of a rate of .15): 0.55.
_WITH_WORDS = 0.55
_NORMAL = NormalDist()


def dialogue_levels(level: Mapping[str, float | None], rng: random.Random) -> dict[str, float | None]:
    """Draw the dials of one dialogue; those that are 0 or None stay so, and a swing of 0 changes none."""
    drawn, swing = dict(level), level["mood_swing"] or 0.0
    if swing <= 0.0:
        return drawn
    talkative = rng.gauss(0.0, 1.0)
    for name, value in level.items():
        if not value or name in OF_THE_TURNS:
            continue
        place = TALKATIVE[name] * talkative if name in TALKATIVE else rng.gauss(0.0, 1.0)
        if name not in AMOUNTS and name not in TALKATIVE:
            place = _WITH_WORDS * talkative + math.sqrt(1.0 - _WITH_WORDS**2) * place
        if name in AMOUNTS:
            dial, spread = definitions.dials()[name], AMOUNTS[name] * swing
            drawn[name] = min(max(value * math.exp(spread * place - spread**2 / 2.0), dial.low), dial.high)  # a lognormal of that mean
        elif value < 1.0:
            shared = min(swing**2, _MOST_SHARED)  # the rate given that the shared part of the Gaussian is ``place``
            drawn[name] = _NORMAL.cdf((_NORMAL.inv_cdf(value) + math.sqrt(shared) * place) / math.sqrt(1.0 - shared))
    return drawn


ACK_CAN_SHOW = frozenset({"politeness_rate", "emotion_rate", "certainty_rate"})  # behaviors with forms of a bare acknowledgement
_AFTER_A_MISTAKE = 3.0  # times its rate


class BehaviorDraws:
    """The behavior draws of one dialogue. ``rates`` are their chances per turn, ``owed`` counts those due and not shown."""

    def __init__(self, rates: Mapping[str, float], persistence: float) -> None:
        self.rates, self.persistence, self.behaviors = dict(rates), persistence, definitions.behaviors()
        self.owed = dict.fromkeys(self.rates, 0.0)
        self.drawn = (*self.behaviors.free, "exclusive", ACK)
        self.draws: dict[str, float] = {}

    def move(self, rng: random.Random) -> None:
        """Draw for the next turn."""
        last, keep, draw = self.draws, self.persistence, rng.random
        self.draws = {name: last[name] if last and draw() < keep else draw() for name in self.drawn}

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
        longer = self._longer(self.rest, self.share)
        rest = [self._at(place, self.share, longer) for place in _PLACES]
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
        self.drawn = words = self._at(place, chance, self._longer(mean, max(self.share, acks)))
        if self.planned_short:
            return int(words)
        made_up = min(max(self.forced, -_GIVEN_BACK * words), _GIVEN_BACK * words)
        self.forced -= made_up
        return max(round(words - made_up), self.least)

    def _at(self, place: float, chance: float, of_longer: tuple[float, float]) -> float:
        """The quantile ``place`` (0 to 1) of a mixture with ``chance`` short turns; ``of_longer`` is what ``_longer`` says."""
        if place < chance:
            return 1.0 + sum(place / chance > bound for bound in self.bounds)
        longer, within = of_longer
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

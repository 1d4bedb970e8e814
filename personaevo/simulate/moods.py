"""How one person differs from dialogue to dialogue: the dials are drawn anew, around their values, at the start of each.

Means are preserved: over many dialogues the dials are what was asked for. All of it is one Gaussian model. A rate is the chance that a
Gaussian lies below a threshold, and ``mood_swing`` squared is the share of that Gaussian that a dialogue's turns have in common (a
probit-normal rate); quantities are lognormal. Nothing here knows a reference.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from statistics import NormalDist

from personaevo import definitions

# Log-SD of each quantity at the full swing. Patience and evenness are steadier traits than how much is said.
AMOUNTS = {
    "words_per_turn": 1.2, "opening_words": 1.2, "identifiers_per_turn": 1.2, "facts_per_turn": 1.2, "slips_per_100_words": 1.2,
    "verbosity_cv": 0.6, "patience_turns": 0.6,
}  # fmt: skip
OF_THE_TURNS = frozenset({"mood_swing", "persistence", "front_loading"})
TALKATIVE = {"words_per_turn": 1.0, "opening_words": 1.0, "short_rate": -1.0, "ack_only_rate": -1.0}  # these move together
_MOST_SHARED = 0.95
# How a rate goes with talkativeness from dialogue to dialogue: who says more shows more of everything, by the same power of the words as
# from turn to turn (``lengths``). With 0.7 of a log-SD of 1.2, and 1.5 as what a rate of .15 changes by in the Gaussian, that is 0.55.
_WITH_WORDS = 0.55
_NORMAL = NormalDist()


def dialogue_levels(level: Mapping[str, float | None], rng: random.Random) -> dict[str, float | None]:
    """The dials of one dialogue; those that are 0 or None stay so, and a swing of 0 leaves all as they are."""
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
            dial = definitions.dials()[name]
            drawn[name] = min(max(_amount(value, place, AMOUNTS[name] * swing), dial.low), dial.high)
        elif value < 1.0:
            drawn[name] = _rate(value, place, min(swing**2, _MOST_SHARED))
    return drawn


def _amount(mean: float, place: float, spread: float) -> float:
    """A lognormal of that mean and log-SD, at the place of a standard Gaussian."""
    return mean * math.exp(spread * place - spread**2 / 2.0)


def _rate(mean: float, place: float, shared: float) -> float:
    """The chance of falling below the threshold that ``mean`` sets, once the shared part is known to be ``place``."""
    return _NORMAL.cdf((_NORMAL.inv_cdf(mean) + math.sqrt(shared) * place) / math.sqrt(1.0 - shared))

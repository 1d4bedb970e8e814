"""Random draws of a simulated user: the dials of a dialogue, the behaviors of a turn, and the lengths of turns.

Each dialogue draws its dials around the values of the person, preserving means. The model is Gaussian: a rate is the probability that
a Gaussian is below a threshold, and ``mood_swing`` squared is the share of its variance that is common to the turns of a dialogue (a
probit-normal rate); quantities are lognormal. No reference data are used.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from statistics import NormalDist

from personaevo import definitions

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

"""What the engine shows other than it is asked, with everybody: found once, on other people, and taken into account for each person.

One person's role-plays are too few to tell that the domain's tasks bring longer turns than were asked for; those of the population's
profile are the same question for all. People are parted in two halves, and each is told what was found with the other one: the average that
is played, the dialogues that it is held against, and whether moving its dials holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from personaevo.refine import features
from personaevo.refine.accept import Trial, decide
from personaevo.refine.aims import aims, moved
from personaevo.refine.behavior import DialogueItem
from personaevo.refine.estimate import shrunk, spread_dials
from personaevo.refine.population import GROUPS, Population, Yardstick
from personaevo.refine.profile import Profile
from personaevo.refine.roles import Player
from personaevo.refine.scoring import Sheet, against, rows_of
from personaevo.refine.split import Parts
from personaevo.simulate.seeds import seed_of

_MANY = 5  # times as many role-plays as for one person
_STEPS = 2
_SHARE = 0.25  # of what role-plays fall short by, a step: people are not the average
_LEAST = 0.05  # of a spread dial, where a factor is taken
_ITEM = DialogueItem(id="population", turns=())


@dataclass(frozen=True)
class Common:
    """By how much dials are moved for everybody: ``offsets`` in their units, ``factors`` of dials of spread; and the ``gain`` of that on
    other people, with the ``noise`` that it exceeds."""

    offsets: Mapping[str, float]
    factors: Mapping[str, float]
    gain: float
    noise: float

    def applied(self, profile: Profile) -> Profile:
        """The profile with those of its dials moved, within their ranges."""
        table = features.dials()
        moves = {name: value + self.offsets[name] for name, value in profile.dials.items() if name in self.offsets}
        moves |= {name: value * self.factors[name] for name, value in profile.dials.items() if name in self.factors}
        return profile.with_dials({name: min(max(value, table[name].low), table[name].high) for name, value in moves.items()})


def found(player: Player, others: Population, samples: int, seed: int) -> Common | None:
    """What is found with these others; None if it does not hold, on other role-plays, for their own dialogues."""
    yardstick = Yardstick(others, Parts(()), whole=True)
    start = profile = shrunk(others, yardstick.rows(()))
    anybody = np.full((1, len(features.names())), np.nan)
    for step in range(_STEPS):
        plays = player.play(profile, [_ITEM], _MANY * samples, seed_of(seed, "common", step))
        targets, shown = aims(yardstick, anybody, plays, profile)
        profile = profile.with_dials(moved(profile, targets, shown, _SHARE, others.center))
    held = seed_of(seed, "common", "held")
    before, after = (_sheet(player, one, yardstick, _MANY * samples, held) for one in (start, profile))
    verdict = decide(Trial(before), [Trial(after)], held)
    if not verdict.accepted or verdict.gain is None:
        return None
    spreads = [name for name in spread_dials() if name in start.dials and name in profile.dials]
    factors = {name: max(profile.dials[name], _LEAST) / max(start.dials[name], _LEAST) for name in spreads}
    offsets = {name: profile.dials[name] - value for name, value in start.dials.items() if name not in factors}
    return Common(offsets, factors, verdict.gain, verdict.noise)


def _sheet(player: Player, profile: Profile, yardstick: Yardstick, samples: int, seed: int) -> Sheet:
    """Against people's own dialogues, person by person dealt to groups: these are what is drawn anew."""
    rows = rows_of(player.play(profile, [_ITEM], samples, seed))
    points = yardstick.points(yardstick.population.whole)
    owners = np.unique(yardstick.population.people, return_inverse=True)[1] % GROUPS
    return against(rows, [points[owners == group] for group in np.unique(owners)], yardstick)

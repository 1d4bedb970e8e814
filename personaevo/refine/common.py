"""The refinement loop of one person, and the correction for systematic effects of the player.

The loop:

    play train → analyze → candidates → leakage guard → score → accept the best if it holds on dev (and train) → repeat
    once, at the end: score the result and its controls on test

This is DPRF (arXiv 2510.14205) with a leakage guard and acceptance on behavior that an update was not made from. ``Settings.paper`` is DPRF
as published: scored on the training items, every version taken, the last returned.

The correction: role-plays may deviate from the dials in the same way for everyone (a domain's tasks may bring longer turns than the dial
asks for). One person's role-plays are too few to estimate this; the population's profile shows the same deviation. It is cross-fitted:
people are split in two halves, and each half's correction is estimated and tested on the other half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from personaevo.refine import features
from personaevo.refine.accept import Trial, decide
from personaevo.refine.aims import dial_targets, moved_dials
from personaevo.refine.behavior import DialogueItem
from personaevo.refine.estimate import shrunk, spread_dials
from personaevo.refine.population import GROUPS, FeatureSpace, Population
from personaevo.refine.profile import Profile
from personaevo.refine.roles import Player
from personaevo.refine.scoring import ScoreSheet, fingerprint_rows, score_groups
from personaevo.refine.split import Parts
from personaevo.simulate.seeds import seed_of

_MANY = 5  # multiple of the role-plays for one person
_STEPS = 2
_SHARE = 0.25  # of the shortfall corrected in a step; below 1, as people differ from the average
_LEAST = 0.05  # lower bound of a spread dial in a ratio
_ITEM = DialogueItem(id="population", turns=())


@dataclass(frozen=True)
class PlayerBias:
    """Correction of dials that is the same for everyone.

    Attributes:
        offsets: added to dials, in their units.
        factors: multiply spread dials.
        gain: improvement on other people; above ``noise``.
    """

    offsets: Mapping[str, float]
    factors: Mapping[str, float]
    gain: float
    noise: float

    def corrected(self, profile: Profile) -> Profile:
        """The profile with its dials corrected, within their ranges."""
        table = features.dials()
        moves = {name: value + self.offsets[name] for name, value in profile.dials.items() if name in self.offsets}
        moves |= {name: value * self.factors[name] for name, value in profile.dials.items() if name in self.factors}
        return profile.with_dials({name: min(max(value, table[name].low), table[name].high) for name, value in moves.items()})


def estimate_bias(player: Player, others: Population, samples: int, seed: int) -> PlayerBias | None:
    """Estimate the correction on these other people; None if it does not improve on new role-plays against their own dialogues."""
    space = FeatureSpace(others, Parts(()), whole=True)
    start = profile = shrunk(others, space.rows(()))
    no_dialogue = np.full((1, len(features.names())), np.nan)
    for step in range(_STEPS):
        plays = player.play(profile, [_ITEM], _MANY * samples, seed_of(seed, "common", step))
        targets, shown = dial_targets(space, no_dialogue, plays, profile)
        profile = profile.with_dials(moved_dials(profile, targets, shown, _SHARE, others.center))
    held = seed_of(seed, "common", "held")
    before, after = (_sheet(player, one, space, _MANY * samples, held) for one in (start, profile))
    verdict = decide(Trial(before), [Trial(after)], held)
    if not verdict.accepted or verdict.gain is None:
        return None
    spreads = [name for name in spread_dials() if name in start.dials and name in profile.dials]
    factors = {name: max(profile.dials[name], _LEAST) / max(start.dials[name], _LEAST) for name in spreads}
    offsets = {name: profile.dials[name] - value for name, value in start.dials.items() if name not in factors}
    return PlayerBias(offsets, factors, verdict.gain, verdict.noise)


def _sheet(player: Player, profile: Profile, space: FeatureSpace, samples: int, seed: int) -> ScoreSheet:
    """Scores against the dialogues of all people, grouped by person: groups are what is resampled."""
    rows = fingerprint_rows(player.play(profile, [_ITEM], samples, seed))
    points = space.points(space.population.whole)
    owners = np.unique(space.population.people, return_inverse=True)[1] % GROUPS
    return score_groups(rows, [points[owners == group] for group in np.unique(owners)], space)

"""Statistical estimate of a person's dials from a few dialogues, shrunk toward the population, for means and for spread.

This is the usual initial profile. Without a dialogue it is the population's mean and spread.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from personaevo import definitions
from personaevo.measure.ranks import normal_grid
from personaevo.measure.shrinkage import Posterior
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.population import Population
from personaevo.refine.profile import Profile
from personaevo.refine.scale import Scale
from personaevo.simulate.moods import AMOUNTS

_LEAST = 1e-3  # lower bound of an amount before its logarithm
_LENGTH = "words_per_turn"
_OCCASIONS = 6.0  # typical number of a habit's occasions in a dialogue, for the chance variance of its share


def shrunk(population: Population, rows: Floats) -> Profile:
    """The profile given ``rows[m, d]`` of a person's dialogues: each dial at the expected mean, and spread dials at the expected
    variation, of one more dialogue of the person."""
    scale = population.scale
    posterior = scale.posterior(rows)
    row = np.full(len(features.names()), np.nan)
    row[scale.scores.kept] = scale.typical(posterior)
    return Profile(dials={**population.center, **features.as_dials(row), **_spread(scale, posterior)})


def average(population: Population) -> Profile:
    """The average person: the population's means, with no variation between dialogues."""
    return Profile(dials={**population.center, **dict.fromkeys(spread_dials(), 0.0)})


def spread_dials() -> tuple[str, ...]:
    """The dials of variation between one person's dialogues: of behavior, and of typing."""
    return tuple(name for name in ("mood_swing", "typing_swing") if name in features.dials())


def _spread(scale: Scale, posterior: Posterior) -> Mapping[str, float]:
    """Spread dials: of moods, from the variation of turn length (its logarithm, in the units of ``moods``), and of typing."""
    found, table = {}, features.dials()
    grid = scale.scores.back(posterior.mean + normal_grid()[:, None] * posterior.sd)
    if _LENGTH in scale.names:
        amounts = np.maximum(grid[:, scale.names.index(_LENGTH)], _LEAST)
        found["mood_swing"] = float(min(np.log(amounts).std() / AMOUNTS[_LENGTH], table["mood_swing"].high))
    typed = [place for place, name in enumerate(scale.names) if name in table and name in definitions.typing().names]
    if typed:
        rates = np.clip(grid[:, typed], 0.0, 1.0)
        most = rates.mean(axis=0) * (1.0 - rates.mean(axis=0))
        alike = rates.var(axis=0).sum() / max(most.sum(), 1e-9)
        swing = (alike - 1.0 / _OCCASIONS) / (1.0 - 1.0 / _OCCASIONS)
        found["typing_swing"] = float(np.clip(swing, table["typing_swing"].low, table["typing_swing"].high))
    return found

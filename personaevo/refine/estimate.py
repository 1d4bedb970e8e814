"""What statistics alone can say of a person: dials from a few dialogues, shrunk toward all people, for means and for spread.

It is where a refinement starts. With no dialogue it is the population: anybody's mean, and everybody's spread.
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

_LEAST = 1e-3  # of an amount, where its logarithm is taken
_LENGTH = "words_per_turn"
_OCCASIONS = 6.0  # of a habit in a dialogue, about: what a share of so many differs by is chance


def shrunk(population: Population, rows: Floats) -> Profile:
    """The profile that ``rows[m, d]`` of a person's dialogues give: every dial at the mean, and as much from dialogue to dialogue, as one
    more dialogue of the person is expected to show."""
    scale = population.scale
    posterior = scale.posterior(rows)
    row = np.full(len(features.names()), np.nan)
    row[scale.scores.kept] = scale.typical(posterior)
    return Profile(dials={**population.center, **features.as_dials(row), **_spread(scale, posterior)})


def average(population: Population) -> Profile:
    """The average person: the means of all people, with no difference between dialogues."""
    return Profile(dials={**population.center, **dict.fromkeys(spread_dials(), 0.0)})


def spread_dials() -> tuple[str, ...]:
    """The dials of how much one person differs from dialogue to dialogue: in what is done, and in how it is typed."""
    return tuple(name for name in ("mood_swing", "typing_swing") if name in features.dials())


def _spread(scale: Scale, posterior: Posterior) -> Mapping[str, float]:
    """The swing of moods, by how much the length of turns varies (its logarithm, in the units of ``moods``), and that of typing."""
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

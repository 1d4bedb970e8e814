"""Is a profile its person's? Whether its simulated dialogues fit what that person did, held out, better than what others did.

A dialogue counts for a profile by what the profile's energy score gains on it over the population's: by how much nearer it is to the
profile's dialogues than to those of the population's profile, played the same way. By mere distance an ordinary dialogue is near
everybody's profile, and most so where profiles are shrunk toward the average, so that who is unlike others would never be found; and what
the simulator does with everybody would count as somebody's manner. Distance alone stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.scores import distances, share_farther
from personaevo.records import Floats
from personaevo.refine.population import Population

_CROWD = 400  # dialogues of others that stand for all of them


@dataclass(frozen=True)
class Lineup:
    """Held-out dialogues as points: the person's ``own[m, k]`` and ``others[n, k]``, of which each other person's ``weights`` sum up to 1;
    ``usual`` is the mean distance of each, own first, from dialogues of the population's profile, ``among`` that from everybody else's
    own."""

    own: Floats
    others: Floats
    weights: Floats
    usual: Floats
    among: Floats

    @classmethod
    def of(cls, population: Population, rows: Floats, typical: Floats | None = None) -> Lineup | None:
        """The lineup for a person with held-out ``rows[m, d]``; None if either side has none. ``typical[k, d]`` are rows of dialogues of
        the population's profile; without, everybody's own take their place."""
        held = np.flatnonzero(population.held)
        if not len(held) or not len(rows):
            return None
        scale, people = population.scale, population.people
        own, others = scale.points(rows), scale.points(population.whole[held])
        counts = np.unique(people[held], return_inverse=True, return_counts=True)
        crowd = np.arange(0, len(people), max(1, -(-len(people) // _CROWD)))
        far = distances(np.vstack([own, others]), scale.points(population.whole[crowd]))
        owners = np.concatenate([np.full(len(own), -1), people[held]])
        strange = people[crowd][None] != owners[:, None]
        among = (far * strange).sum(axis=1) / np.maximum(strange.sum(axis=1), 1)
        known = typical is not None and len(typical) > 0
        usual = distances(np.vstack([own, others]), scale.points(typical)).mean(axis=1) if known and typical is not None else among
        return cls(own, others, 1.0 / counts[2][counts[1]], usual, among)

    def recognized(self, points: Floats, *, real: bool = False) -> float:
        """Share (0..1) of other people whose held-out dialogue the simulated ``points[k, d]`` fit less than the person's own; .5 is chance,
        ties count half. ``real`` ones are people's, and compared with people's."""
        return self._share(distances(np.vstack([self.own, self.others]), points).mean(axis=1) - (self.among if real else self.usual))

    def nearer(self, points: Floats) -> float:
        """The same by distance from the mean of the simulated dialogues alone."""
        return self._share(distances(np.vstack([self.own, self.others]), points.mean(axis=0, keepdims=True))[:, 0])

    def _share(self, values: Floats) -> float:
        own: Sequence[float] = values[: len(self.own)].tolist()
        return float(np.mean([share_farther(values[len(self.own) :], value, self.weights) for value in own]))

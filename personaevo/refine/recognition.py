"""Re-identification: whether a profile's simulated dialogues fit held-out dialogues of its person better than those of other people.

The fit to a dialogue is the gain in energy score over the population's profile, played the same way. Plain distance would not do: an
ordinary dialogue is close to every profile, most of all where profiles are shrunk toward the average, so unbaseline people would never be
identified, and systematic effects of the simulator would look like a person's own. Plain distance is reported as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.scores import distances, share_farther
from personaevo.records import Floats
from personaevo.refine.population import Population

_SAMPLED = 400  # dialogues that represent all people


@dataclass(frozen=True)
class Lineup:
    """Held-out dialogues as points.

    Attributes:
        own: of the person, ``[m, k]``.
        others: of other people, ``[n, k]``; the ``weights`` of each other person's dialogues sum to 1.
        baseline: mean distance of each dialogue, own first, to dialogues of the population's profile.
        real_baseline: mean distance of each to real dialogues of all other people.
    """

    own: Floats
    others: Floats
    weights: Floats
    baseline: Floats
    real_baseline: Floats

    @classmethod
    def of(cls, population: Population, rows: Floats, typical: Floats | None = None) -> Lineup | None:
        """The lineup of a person with held-out ``rows[m, d]``; None if the person or the others have none.

        ``typical[k, d]`` are rows of dialogues of the population's profile; if missing, real dialogues are the baseline.
        """
        held = np.flatnonzero(population.held)
        if not len(held) or not len(rows):
            return None
        scale, people = population.scale, population.people
        own, others = scale.points(rows), scale.points(population.whole[held])
        counts = np.unique(people[held], return_inverse=True, return_counts=True)
        sampled = np.arange(0, len(people), max(1, -(-len(people) // _SAMPLED)))
        far = distances(np.vstack([own, others]), scale.points(population.whole[sampled]))
        owners = np.concatenate([np.full(len(own), -1), people[held]])
        strange = people[sampled][None] != owners[:, None]
        real_baseline = (far * strange).sum(axis=1) / np.maximum(strange.sum(axis=1), 1)
        baseline = real_baseline
        if typical is not None and len(typical):
            baseline = distances(np.vstack([own, others]), scale.points(typical)).mean(axis=1)
        return cls(own, others, 1.0 / counts[2][counts[1]], baseline, real_baseline)

    def recognized(self, points: Floats, *, real: bool = False) -> float:
        """Share (0..1) of other people whose held-out dialogues the simulated ``points[k, d]`` fit less than the person's own.

        .5 is chance; ties count half. With ``real``, the points are real dialogues and compared with real ones.
        """
        baseline = self.real_baseline if real else self.baseline
        return self._share(distances(np.vstack([self.own, self.others]), points).mean(axis=1) - baseline)

    def nearer(self, points: Floats) -> float:
        """The same share by plain distance to the mean of the simulated dialogues."""
        return self._share(distances(np.vstack([self.own, self.others]), points.mean(axis=0, keepdims=True))[:, 0])

    def _share(self, values: Floats) -> float:
        own: Sequence[float] = values[: len(self.own)].tolist()
        return float(np.mean([share_farther(values[len(self.own) :], value, self.weights) for value in own]))

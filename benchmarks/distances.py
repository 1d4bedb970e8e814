"""Sensitivity of distances between populations: ``python -m benchmarks.distances [--size 100] [--draws 60]``.

Rows of fingerprints (nothing is played) against people: other people, independent columns, a Gaussian with people's covariance, deviations
doubled and halved, all at the mean. For each distance: the mean energy distance of draws of that size, and its excess over people's own
draws in standard deviations of these. Three scales: rank-normal scores, the same whitened (``measure.energy``), the same with products.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from personaevo import reference
from personaevo.definitions import domain_names
from personaevo.measure.energy import Space, Target, energy_distance
from personaevo.records import Floats

Scale = Callable[[Floats], Floats]


def rows(people: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """The populations to compare."""
    mean = people.mean(axis=0)
    return {
        "people": people,
        "independent": np.column_stack([rng.permutation(column) for column in people.T]),
        "Gaussian": rng.multivariate_normal(mean, np.cov(people.T), len(people)),
        "doubled": mean + 2 * (people - mean),
        "halved": mean + (people - mean) / 2,
        "average": np.repeat(mean[None], len(people), axis=0),
    }


def scales(people: Floats) -> Mapping[str, Scale]:
    """The scales."""
    whitened = Space.of(people)
    plain = replace(whitened, turn=np.eye(len(whitened.turn)))

    def products(values: Floats) -> Floats:
        scores = plain(values)
        first, second = np.triu_indices(scores.shape[1], 1)
        return np.column_stack([scores, 0.3 * scores[:, first] * scores[:, second]])

    return {"rank-normal": plain, "whitened": whitened, "with products": products}


def main() -> None:
    """Print a table for each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--draws", type=int, default=60)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for domain in domain_names():
        steering, kept = reference.split(reference.packaged(domain), 0)
        for name, scale in scales(steering.values).items():
            target = Target.of(scale(steering.values))
            found = {}
            for row, values in rows(kept.values, rng).items():
                points = scale(values)
                weights = rng.multinomial(options.size, np.full(len(points), 1 / len(points)), size=options.draws).astype(float)
                found[row] = energy_distance(points, np.arange(len(points)), weights, target, options.size)
            own = found["people"]
            said = "  ".join(f"{row} {one.mean():.3f} ({(one.mean() - own.mean()) / own.std():+.1f})" for row, one in found.items())
            print(f"{domain:10}{name:15}{said}", flush=True)


if __name__ == "__main__":
    main()

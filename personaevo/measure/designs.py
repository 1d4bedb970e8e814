"""Space-filling designs for experiments over many parameters."""

from __future__ import annotations

import numpy as np

from personaevo.records import Floats


def sobol(n: int, dimensions: int, seed: int) -> Floats:
    """``n`` points of a scrambled Sobol sequence (Owen 1998) in the unit cube, ``[n, dimensions]``, each coordinate in [0, 1).

    Equal arguments give equal points, and a smaller n gives a prefix of a larger one. Powers of two cover the cube most evenly.
    """
    from scipy.stats import qmc  # noqa: PLC0415 (it takes half a second and 40 MB to load; most searches need no design)

    if n < 1:
        return np.empty((0, dimensions))
    exponent = max(n - 1, 1).bit_length()
    points = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random_base2(exponent)
    return np.asarray(points[:n], dtype=float)

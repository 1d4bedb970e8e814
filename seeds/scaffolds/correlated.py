def draw(n, rng):
    """Correlated: normal scores, tied together along COUPLINGS (a Gaussian copula)."""
    points = []
    for _ in range(n):
        scores = {axis["name"]: rng.gauss(0.0, 1.0) for axis in AXES}
        for first, second, strength in COUPLINGS:
            if first in scores and second in scores:
                scores[second] = strength * scores[first] + (1.0 - strength * strength) ** 0.5 * scores[second]
        points.append({name: 0.5 * (1.0 + math.erf(score / 2.0**0.5)) for name, score in scores.items()})
    return points

def draw(n, rng):
    """Mixture: KINDS of people in fixed shares, each with its own axes; levels spread evenly (a Latin hypercube), tied along COUPLINGS."""
    kinds = KINDS or [{"share": 1.0, "axes": [axis["name"] for axis in AXES]}]
    total = sum(kind["share"] for kind in kinds)
    columns = {axis["name"]: rng.sample(range(n), n) for axis in AXES}
    points = []
    for i, place in enumerate(rng.sample(range(n), n)):
        left = (place + rng.random()) / n * total
        chosen = kinds[-1]
        for kind in reversed(kinds):
            if left < kind["share"]:
                chosen = kind
                break
            left -= kind["share"]
        evens = {name: (columns[name][i] + rng.random()) / n for name in chosen["axes"]}
        # Nearly normal scores (Tukey's lambda), tied as in a Gaussian copula, and back to levels.
        scores = {name: 4.91 * (u**0.14 - (1.0 - u) ** 0.14) for name, u in evens.items()}
        for first, second, strength in COUPLINGS:
            if first in scores and second in scores:
                scores[second] = strength * scores[first] + (1.0 - strength * strength) ** 0.5 * scores[second]
        points.append({name: 0.5 * (1.0 + math.erf(score / 2.0**0.5)) for name, score in scores.items()})
    return points

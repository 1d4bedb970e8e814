def draw(n, rng):
    """Mixture: KINDS of people in fixed shares, each with its own axes; levels spread evenly (a Latin hypercube)."""
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
        points.append({name: (columns[name][i] + rng.random()) / n for name in chosen["axes"]})
    return points

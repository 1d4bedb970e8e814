def draw(n, rng):
    """Quasi-random: a Latin hypercube, so that n personas are spread evenly along every axis."""
    columns = {axis["name"]: rng.sample(range(n), n) for axis in AXES}
    return [{name: (order[i] + rng.random()) / n for name, order in columns.items()} for i in range(n)]

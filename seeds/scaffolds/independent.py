def draw(n, rng):
    """Independent: every axis by itself."""
    return [{axis["name"]: rng.random() for axis in AXES} for _ in range(n)]

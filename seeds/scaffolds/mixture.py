def draw(n, rng):
    """Mixture: kinds of people with a center each; axes without a center are uniform."""
    points = []
    for _ in range(n):
        kind = rng.choices(TYPES, [kind["weight"] for kind in TYPES])[0] if TYPES else {"center": {}, "width": 1.0}
        point = {}
        for axis in AXES:
            center = kind["center"].get(axis["name"], 0.5)
            width = kind["width"] if axis["name"] in kind["center"] else 1.0
            point[axis["name"]] = min(max(center + width * (rng.random() - 0.5), 0.0), 1.0)
        points.append(point)
    return points

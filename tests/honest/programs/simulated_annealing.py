"""Improves a population by annealing until it is spread out."""

from math import exp

AXES = [{"name": "u", "low": "Low.", "high": "High."}, {"name": "v", "low": "Low.", "high": "High."}]


def energy(points):
    return sum(1 / (0.01 + abs(a[0] - b[0]) + abs(a[1] - b[1])) for i, a in enumerate(points) for b in points[:i])


def annealed(points, rng, steps=60):
    best = energy(points)
    for step in range(steps):
        heat = 1 - step / steps
        index = rng.randrange(len(points))
        old = points[index]
        points[index] = tuple(min(1.0, max(0.0, x + rng.gauss(0, 0.2 * heat + 0.01))) for x in old)
        new = energy(points)
        if new < best or rng.random() < exp((best - new) / (heat + 0.01) / 10):
            best = new
        else:
            points[index] = old
    return points


def generate(task, n, rng, model=None):
    points = annealed([(rng.random(), rng.random()) for _ in range(n)], rng)
    return [{"description": "Well apart from the others.", "behaviors": {"u": u, "v": v}} for u, v in points]

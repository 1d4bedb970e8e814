"""Points kept apart by rejection, farthest of several candidates."""

AXES = [{"name": name, "low": "Low.", "high": "High."} for name in ("a", "b", "c", "d")]


def distance(one, two):
    return sum((one[name] - two[name]) ** 2 for name in one) ** 0.5


def generate(task, n, rng, model=None):
    names = [axis["name"] for axis in AXES]
    points = []
    for _ in range(n):
        candidates = [{name: rng.random() for name in names} for _ in range(12)]
        points.append(max(candidates, key=lambda c: min((distance(c, p) for p in points), default=0.0)))
    return [{"description": f"Unlike the {len(points) - 1} others.", "behaviors": point} for point in points]

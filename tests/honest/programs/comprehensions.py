"""Nested comprehensions of all kinds, with conditions and unpacking."""

NAMES = ["terse", "vague", "blunt"]
AXES = [{"name": name, "low": f"Not {name}.", "high": f"Very {name}."} for name in NAMES]
PAIRS = {(a, b): (len(a) - len(b)) / 10 for a in NAMES for b in NAMES if a < b}


def point(rng):
    base = {name: rng.random() for name in NAMES}
    pull = {b: base[a] * weight for (a, b), weight in PAIRS.items()}
    return {name: max(0.0, min(1.0, value + pull.get(name, 0.0))) for name, value in base.items()}


def generate(task, n, rng, model=None):
    points = [point(rng) for _ in range(n)]
    marked = [[name for name, value in p.items() if value > 0.6] for p in points]
    letters = sorted({letter for name in NAMES for letter in name})
    assert len(letters) == len(set(letters))
    return [
        {"id": f"c{i}", "description": "Someone " + (" and ".join(words) or "unremarkable") + ".", "behaviors": p}
        for i, (p, words) in enumerate(zip(points, marked, strict=True))
    ]

"""Tables of functions, conditional expressions, default arguments and sorting by several keys."""

import bisect

AXES = [{"name": "age", "low": "Young.", "high": "Old.", "dials": {"formality_rate": [0.0, 0.4]}}]
CUTS, LABELS = (25, 45, 65), ("student", "worker", "manager", "pensioner")
DRAW = {"young": lambda rng: rng.randint(18, 30), "old": lambda rng: rng.randint(60, 90), "any": lambda rng, low=18, high=90: rng.randint(low, high)}


def label(age):
    return LABELS[bisect.bisect(CUTS, age)]


def generate(task, n, rng, model=None):
    ages = [DRAW[rng.choice(sorted(DRAW))](rng) for _ in range(n)]
    order = sorted(range(n), key=lambda i: (-ages[i], label(ages[i]), i))
    return [
        {"id": f"{label(ages[i])}{i}", "description": f"A {label(ages[i])} of {ages[i]}, {'older' if ages[i] > 50 else 'younger'}.", "behaviors": {"age": (ages[i] - 18) / 72}}
        for i in order
    ]

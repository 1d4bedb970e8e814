"""The math module, integers without limits and fractions by hand."""

import math

AXES = [{"name": "terse", "low": "Write more.", "high": "Write less.", "dials": {"words_per_turn": [24, 3]}}]


def levels(n, rng):
    golden = (math.sqrt(5) - 1) / 2
    start = rng.random()
    return [math.modf(start + i * golden)[0] for i in range(n)]


def generate(task, n, rng, model=None):
    big = math.factorial(60) // math.comb(60, 30)
    out = []
    for i, level in enumerate(levels(n, rng)):
        angle = math.tau * level
        x, y = math.cos(angle), math.sin(angle)
        turn = math.degrees(math.atan2(y, x)) % 360
        assert math.isclose(math.hypot(x, y), 1.0)
        skew = math.exp(-math.pow(level, 2)) * math.log1p(level) + math.fsum([0.1] * 3) + math.ulp(1.0)
        out.append({"id": f"m{i}", "description": f"At {math.floor(turn)} degrees; {big % (i + 7)}; {skew:.3f}.", "behaviors": {"terse": level}})
    return out

"""Assignment expressions in conditions, comprehensions and loops."""

AXES = [{"name": "curious", "low": "Ask nothing.", "high": "Ask a lot.", "dials": {"info_seeking_rate": [0.0, 0.6]}}]


def accepted(rng, n, floor=0.2):
    found = []
    while (missing := n - len(found)) > 0:
        found += [level for _ in range(missing) if (level := rng.random()) > floor]
    return found


def generate(task, n, rng, model=None):
    levels = accepted(rng, n)
    if (count := sum(level > 0.5 for level in levels)) > n / 2:
        words = f"most ({count})"
    else:
        words = f"few ({count})"
    total = 0.0
    sums = [total := total + level for level in levels]
    return [{"description": f"Asks like {words}; {s:.2f} so far.", "behaviors": {"curious": level}} for level, s in zip(levels, sums)]

"""A Latin hypercube over several axes: each level once in every stratum."""

AXES = [
    {"name": "terse", "low": "Write full sentences.", "high": "A word or two.", "dials": {"words_per_turn": [20.0, 2.0]}},
    {"name": "skeptical", "low": "Take it as it is.", "high": "Ask for reasons.", "dials": {"pushback_rate": [0.0, 0.3]}},
    {"name": "upset", "low": "Stay calm.", "high": "Be upset.", "dials": {"emotion_rate": [0.0, 0.4]}},
]


def hypercube(n, names, rng):
    columns = {}
    for name in names:
        strata = list(range(n))
        rng.shuffle(strata)
        columns[name] = [(stratum + rng.random()) / n for stratum in strata]
    return [{name: columns[name][i] for name in names} for i in range(n)]


def generate(task, n, rng, model=None):
    points = hypercube(n, [axis["name"] for axis in AXES], rng)
    return [{"description": "Somebody with " + ", ".join(f"{k} {v:.1f}" for k, v in p.items()) + ".", "behaviors": p} for p in points]

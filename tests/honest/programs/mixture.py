"""A mixture of kinds of people with shares, largest remainders and jitter."""

AXES = [
    {"name": "terse", "low": "Full sentences.", "high": "Few words.", "dials": {"words_per_turn": [18, 3]}},
    {"name": "warm", "low": "Cool.", "high": "Warm.", "dials": {"politeness_rate": [0, 0.5]}},
]
KINDS = {
    "hurried": {"share": 0.45, "terse": (0.8, 0.1), "warm": (0.2, 0.1)},
    "friendly": {"share": 0.35, "terse": (0.3, 0.15), "warm": (0.8, 0.1)},
    "thorough": {"share": 0.20, "terse": (0.1, 0.05), "warm": (0.5, 0.2)},
}


def counts(n):
    exact = {name: kind["share"] * n for name, kind in KINDS.items()}
    whole = {name: int(value) for name, value in exact.items()}
    left = n - sum(whole.values())
    for name in sorted(exact, key=lambda name: (whole[name] - exact[name], name))[:left]:
        whole[name] += 1
    return whole


def clip(value):
    return max(0.0, min(1.0, value))


def generate(task, n, rng, model=None):
    out = []
    for name, count in counts(n).items():
        for i in range(count):
            behaviors = {axis: clip(rng.gauss(*KINDS[name][axis])) for axis in ("terse", "warm")}
            out.append({"id": f"{name}{i}", "description": f"Someone {name}.", "behaviors": behaviors})
    rng.shuffle(out)
    return out

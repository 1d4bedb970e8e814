"""Every distribution of the random module, squeezed into levels."""

AXES = [{"name": f"d{i}", "low": "Less.", "high": "More."} for i in range(8)]


def squeeze(x):
    return 1.0 / (1.0 + 2.718281828 ** -x)


def generate(task, n, rng, model=None):
    out = []
    for _ in range(n):
        draws = [
            rng.gauss(0, 1), rng.normalvariate(0, 1), rng.betavariate(2, 3), rng.expovariate(1.5), rng.gammavariate(2, 1),
            rng.lognormvariate(0, 0.5), rng.triangular(-1, 1, 0), rng.vonmisesvariate(0, 4), rng.paretovariate(3), rng.weibullvariate(1, 1.5),
        ]
        sample = rng.sample(range(10), k=3)
        behaviors = {f"d{i}": squeeze(draw) for i, draw in enumerate(draws[:8])}
        out.append({"description": f"Drawn {sample} with {rng.randint(1, 6)} pips.", "behaviors": behaviors})
    return out

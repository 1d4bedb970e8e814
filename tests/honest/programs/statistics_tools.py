"""The statistics module: NormalDist, quantiles, correlation."""

from statistics import NormalDist, correlation, fmean, median, mode, pstdev, quantiles

AXES = [
    {"name": "warm", "low": "Stay cool.", "high": "Be warm.", "dials": {"politeness_rate": [0, 0.5]}},
    {"name": "slow", "low": "Answer at once.", "high": "Take many turns.", "dials": {"patience_turns": [4, 14]}},
]
STANDARD = NormalDist()


def generate(task, n, rng, model=None):
    rho = -0.4
    pairs = []
    for _ in range(n):
        a = rng.gauss(0, 1)
        b = rho * a + (1 - rho * rho) ** 0.5 * rng.gauss(0, 1)
        pairs.append((STANDARD.cdf(a), STANDARD.cdf(b)))
    warm = [a for a, _ in pairs]
    cut = quantiles(warm, n=4) if n > 1 else [0.25, 0.5, 0.75]
    tie = correlation(warm, [b for _, b in pairs]) if n > 2 else 0.0
    words = f"mean {fmean(warm):.2f}, median {median(warm):.2f}, spread {pstdev(warm):.2f}, tie {tie:.2f}, {mode('aab')}"
    return [
        {"description": f"Quarter {sum(a > c for c in cut) + 1} of a crowd ({words}).", "behaviors": {"warm": a, "slow": b}} for a, b in pairs
    ]

"""Correlated levels by a hand-made Cholesky factor and the normal distribution function."""

from math import erf, sqrt

NAMES = ("terse", "rude", "hurried")
AXES = [{"name": name, "low": f"Not {name}.", "high": f"Very {name}."} for name in NAMES]
CORRELATION = [[1.0, 0.5, 0.6], [0.5, 1.0, 0.3], [0.6, 0.3, 1.0]]


def cholesky(matrix):
    size = len(matrix)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = sqrt(rest) if i == j else rest / lower[j][j]
    return lower


def normal_cdf(x):
    return 0.5 * (1 + erf(x / sqrt(2)))


def generate(task, n, rng, model=None):
    lower = cholesky(CORRELATION)
    out = []
    for _ in range(n):
        z = [rng.gauss(0, 1) for _ in NAMES]
        levels = [normal_cdf(sum(l * v for l, v in zip(row, z))) for row in lower]
        out.append({"description": "One of a correlated crowd.", "behaviors": dict(zip(NAMES, levels))})
    return out

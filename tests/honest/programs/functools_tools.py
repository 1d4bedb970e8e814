"""lru_cache, cache, reduce, partial, wraps, total_ordering."""

from functools import cache, lru_cache, partial, reduce, total_ordering, wraps

AXES = [{"name": "eager", "low": "Wait and see.", "high": "Get going.", "dials": {"facts_per_turn": [0.2, 1.4]}}]


@cache
def binomial(n, k):
    return 1 if k in (0, n) else binomial(n - 1, k - 1) + binomial(n - 1, k)


@lru_cache(maxsize=32)
def logistic_steps(steps):
    return reduce(lambda x, _: 3.7 * x * (1 - x), range(steps), 0.4)


def clipped(function):
    @wraps(function)
    def inner(*args, **kwargs):
        return min(1.0, max(0.0, function(*args, **kwargs)))

    return inner


@clipped
def level(base, noise, weight=0.5):
    return base + weight * (noise - 0.5)


@total_ordering
class Rank:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        return self.value < other.value


def generate(task, n, rng, model=None):
    softer = partial(level, weight=0.2)
    levels = [softer(logistic_steps(i), rng.random()) for i in range(n)]
    best = max(range(n), key=lambda i: Rank(levels[i]))
    return [
        {"description": f"Keen{' (the keenest)' if i == best else ''}, odds 1 in {binomial(n, i)}.", "behaviors": {"eager": value}}
        for i, value in enumerate(levels)
    ]

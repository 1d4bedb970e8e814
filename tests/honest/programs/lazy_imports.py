"""Allowed modules imported where they are needed."""

AXES = [{"name": "mild", "low": "Be harsh.", "high": "Be mild.", "dials": {"politeness_rate": [0.0, 0.4]}}]


def spread(values):
    from statistics import pstdev

    return pstdev(values)


def shape(u):
    import math as m

    return m.sin(u * m.pi / 2)


def names(n):
    import itertools
    import string as text

    return ["".join(pair) for pair in itertools.islice(itertools.product(text.ascii_lowercase, repeat=2), n)]


def generate(task, n, rng, model=None):
    import collections.abc
    from json import dumps

    levels = [shape(rng.random()) for _ in range(n)]
    assert isinstance(levels, collections.abc.Sequence)
    return [
        {"id": name, "description": f"Spread {dumps(round(spread(levels), 3))}.", "behaviors": {"mild": level}}
        for name, level in zip(names(n), levels)
    ]

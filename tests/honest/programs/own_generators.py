"""Generators of random numbers seeded from rng, one for each purpose."""

import random

AXES = [{"name": "chatty", "low": "Say little.", "high": "Say a lot.", "dials": {"words_per_turn": [3, 26]}}]


def stream(rng, purpose):
    return random.Random(f"{purpose}:{rng.random()}")


def generate(task, n, rng, model=None):
    levels, names = stream(rng, "levels"), stream(rng, "names")
    nested = random.Random(rng.getrandbits(64))
    state = nested.getstate()
    first = nested.random()
    nested.setstate(state)
    assert nested.random() == first
    pool = [f"{a}{b}" for a in "bdk" for b in ("an", "el", "or")]
    names.shuffle(pool)
    return [
        {"id": f"{pool[i % len(pool)]}{i}", "description": "Talks when talked to.", "behaviors": {"chatty": levels.betavariate(2, 2)}}
        for i in range(n)
    ]

"""Generators: infinite streams, send, yield from, generator expressions."""

from itertools import islice

AXES = [{"name": "chatty", "low": "To the point.", "high": "Chat a little.", "dials": {"words_per_turn": [5, 22]}}]


def halton(base):
    index = 0
    while True:
        index += 1
        fraction, value, rest = 1.0, 0.0, index
        while rest > 0:
            fraction /= base
            value += fraction * (rest % base)
            rest //= base
        yield value


def running_mean():
    total, count, mean = 0.0, 0, None
    while True:
        value = yield mean
        total, count = total + value, count + 1
        mean = total / count


def both(*streams):
    for values in zip(*streams):
        yield from values


def generate(task, n, rng, model=None):
    shift = rng.random()
    levels = [(u + shift) % 1.0 for u in islice(both(halton(2), halton(3)), n)]
    mean = running_mean()
    next(mean)
    means = [mean.send(level) for level in levels]
    return [
        {"description": f"Chats, like {average:.2f} of people so far.", "behaviors": {"chatty": level}}
        for level, average in zip(levels, means)
    ]

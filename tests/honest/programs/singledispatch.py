"""singledispatch, singledispatchmethod and cached_property."""

from functools import cached_property, singledispatch, singledispatchmethod

AXES = [{"name": "vague", "low": "Be definite.", "high": "Be vague.", "dials": {"uncertainty_rate": [0.0, 0.5]}}]


@singledispatch
def words(value):
    return str(value)


@words.register
def _(value: float):
    return f"{value:.1f}"


@words.register(list)
@words.register(tuple)
def _(value):
    return ", ".join(words(item) for item in value)


class Crowd:
    def __init__(self, levels):
        self.levels = levels

    @cached_property
    def mean(self):
        return sum(self.levels) / len(self.levels)

    @singledispatchmethod
    def at(self, place):
        raise TypeError(place)

    @at.register
    def _(self, place: int):
        return self.levels[place]

    @at.register
    def _(self, place: str):
        return self.levels[int(place)]


def generate(task, n, rng, model=None):
    crowd = Crowd([rng.random() for _ in range(n)])
    return [
        {"description": f"Vague, {words([crowd.at(i), crowd.mean, 'all told'])}.", "behaviors": {"vague": crowd.at(str(i))}} for i in range(n)
    ]

"""Decorators with and without arguments, stacked, and on methods."""

AXES = [{"name": "sure", "low": "Hesitate.", "high": "Be certain.", "dials": {"certainty_rate": [0.0, 0.4]}}]
REGISTRY = {}


def registered(name, weight=1.0):
    def decorate(function):
        REGISTRY[name] = (weight, function)
        return function

    return decorate


def rounded(digits):
    return lambda function: lambda *args: round(function(*args), digits)


@registered("uniform")
@rounded(3)
def uniform(rng):
    return rng.random()


@registered("high", weight=0.5)
@rounded(2)
def high(rng):
    return max(rng.random(), rng.random())


@registered("edges", weight=0.25)
def edges(rng):
    return 0.05 if rng.random() < 0.5 else 0.95


class Box:
    made = 0

    @classmethod
    def of(cls, level):
        box = cls()
        box._level = level
        return box

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        self._level = value

    @staticmethod
    def words(level):
        return "sure" if level > 0.5 else "unsure"


def generate(task, n, rng, model=None):
    names = list(REGISTRY)
    chosen = rng.choices(names, weights=[REGISTRY[name][0] for name in names], k=n)
    boxes = [Box.of(REGISTRY[name][1](rng)) for name in chosen]
    return [{"description": f"Rather {Box.words(box.level)}, drawn {name}.", "behaviors": {"sure": box.level}} for box, name in zip(boxes, chosen)]

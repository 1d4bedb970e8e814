"""Iterators by class, reversed, enumerate, zip, iter with a sentinel."""

AXES = [{"name": "even", "low": "Up and down.", "high": "Even.", "dials": {"emotion_rate": [0.3, 0.0]}}]


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.left


class Ring:
    def __init__(self, items):
        self.items = items

    def __getitem__(self, index):
        if index >= len(self.items):
            raise IndexError(index)
        return self.items[index]

    def __reversed__(self):
        return (self.items[-1 - i] for i in range(len(self.items)))

    def __len__(self):
        return len(self.items)


def generate(task, n, rng, model=None):
    draws = iter(lambda: rng.randint(0, 9), 0)
    until_zero = [value for _, value in zip(range(50), draws)]
    ring = Ring([rng.random() for _ in range(n)])
    backwards = list(reversed(ring))
    return [
        {"id": f"i{left}", "description": f"{left} to go after {len(until_zero)} draws.", "behaviors": {"even": level}}
        for left, level in zip(Countdown(n), backwards)
    ]

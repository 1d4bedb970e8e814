"""Vectors with arithmetic, comparison, containment, indexing, calling and iteration."""

AXES = [{"name": "x", "low": "Left.", "high": "Right."}, {"name": "y", "low": "Down.", "high": "Up."}]


class Vector:
    __slots__ = ("values",)

    def __init__(self, *values):
        self.values = tuple(values)

    def __add__(self, other):
        return Vector(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other):
        return self + -1 * other

    def __mul__(self, factor):
        return Vector(*(value * factor for value in self))

    __rmul__ = __mul__

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]

    def __contains__(self, value):
        return value in self.values

    def __abs__(self):
        return sum(value * value for value in self) ** 0.5

    def __eq__(self, other):
        return isinstance(other, Vector) and self.values == other.values

    def __bool__(self):
        return any(self.values)

    def __call__(self, low, high):
        return {name: min(high, max(low, value)) for name, value in zip("xy", self)}

    def __format__(self, spec):
        return "(" + ", ".join(format(value, spec) for value in self) + ")"


def generate(task, n, rng, model=None):
    center = Vector(0.5, 0.5)
    points = [center + 0.4 * (Vector(rng.random(), rng.random()) - center) for _ in range(n)]
    assert center == Vector(0.5, 0.5) and 0.5 in center and len(center) == 2 and bool(center)
    return [{"description": f"Stands at {point:.2f}, {abs(point):.2f} away.", "behaviors": point(0.0, 1.0)} for point in points]

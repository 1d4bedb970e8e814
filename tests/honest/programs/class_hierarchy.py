"""Classes with abstract methods, super(), multiple inheritance and polymorphism."""

AXES = [
    {"name": "polite", "low": "Skip courtesies.", "high": "Be courteous.", "dials": {"politeness_rate": [0, 0.5]}},
    {"name": "angry", "low": "Stay calm.", "high": "Be angry.", "dials": {"accusatory_rate": [0, 0.2]}},
]


class Person:
    kind = "person"

    def __init__(self, rng):
        self.rng = rng

    def levels(self):
        raise NotImplementedError

    def __str__(self):
        return f"A {self.kind}"

    def __repr__(self):
        return f"{type(self).__name__}()"


class Calm(Person):
    kind = "calm person"

    def levels(self):
        return {"polite": self.rng.uniform(0.6, 1), "angry": 0.0}


class Angry(Person):
    kind = "angry person"

    def levels(self):
        return {"polite": self.rng.uniform(0, 0.3), "angry": self.rng.uniform(0.5, 1)}


class Quiet:
    def damped(self, levels):
        return {name: level * 0.8 for name, level in levels.items()}


class Simmering(Quiet, Angry):
    kind = "simmering person"

    def levels(self):
        return self.damped(super().levels())


KINDS = (Calm, Angry, Simmering)


def generate(task, n, rng, model=None):
    people = [KINDS[i % 3](rng) for i in range(n)]
    assert all(isinstance(person, Person) for person in people) and issubclass(Simmering, Angry)
    return [{"description": f"{person}, {person!r}.", "behaviors": person.levels()} for person in people]

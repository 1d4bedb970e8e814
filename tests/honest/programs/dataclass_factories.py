"""Dataclasses with default factories, ordering and __post_init__."""

from dataclasses import dataclass, field, fields

AXES = [{"name": "patient", "low": "Give up soon.", "high": "Keep at it.", "dials": {"patience_turns": [3, 12]}}]


@dataclass(order=True)
class Person:
    patience: float
    name: str = field(compare=False, default="someone")
    traits: list[str] = field(default_factory=list, compare=False, repr=False)
    summary: str = field(init=False, compare=False)

    def __post_init__(self):
        if not 0 <= self.patience <= 1:
            raise ValueError(f"patience {self.patience} is out of range")
        self.traits = self.traits or ["plain"]
        self.summary = f"{self.name}, {' and '.join(self.traits)}"


NAMES = [f.name for f in fields(Person)]


def generate(task, n, rng, model=None):
    people = sorted(Person(rng.random(), traits=rng.sample(["warm", "dry", "formal"], k=rng.randint(0, 2))) for _ in range(n))
    return [{"description": p.summary.capitalize() + ".", "behaviors": {"patient": p.patience}} for p in people]

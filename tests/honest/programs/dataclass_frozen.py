"""Frozen dataclasses with slots; levels from a beta distribution."""

from dataclasses import asdict, dataclass, replace

AXES = [{"name": "terse", "low": "Write at length.", "high": "Be brief.", "dials": {"words_per_turn": [25.0, 3.0]}}]


@dataclass(frozen=True, slots=True)
class Profile:
    label: str
    terse: float = 0.5

    def terser(self, by):
        return replace(self, terse=min(1.0, self.terse + by))


def generate(task, n, rng, model=None):
    base = Profile("customer")
    people = [base.terser(rng.betavariate(2, 5)) for _ in range(n)]
    return [
        {"id": f"{person.label}-{i}", "description": f"A {person.label} who wants to {task['goal']}.", "behaviors": {"terse": asdict(person)["terse"]}}
        for i, person in enumerate(people)
    ]

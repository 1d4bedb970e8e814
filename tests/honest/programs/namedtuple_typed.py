"""NamedTuple and TypedDict with annotations throughout."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

AXES = [{"name": "formal", "low": "Write as you talk.", "high": "Write properly.", "dials": {"formality_rate": [0.0, 0.5]}}]


class Trait(NamedTuple):
    name: str
    level: float = 0.5

    def words(self) -> str:
        return f"{self.name} {self.level:.0%}"


class Persona(TypedDict, total=False):
    id: str
    description: str
    behaviors: dict[str, float]


def make(index: int, trait: Trait) -> Persona:
    name, level = trait
    return {"id": f"u{index}", "description": f"A person, {trait.words()}.", "behaviors": {name: level}}


def generate(task: dict[str, Any], n: int, rng: Any, model: Any = None) -> list[Persona]:
    traits = [Trait("formal")._replace(level=round(rng.triangular(0, 1, 0.2), 3)) for _ in range(n)]
    return [make(index, trait) for index, trait in enumerate(traits)]

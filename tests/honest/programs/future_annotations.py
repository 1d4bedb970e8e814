"""Annotations that are never evaluated, and names that only a type checker knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from random import Random

Pace = Literal["slow", "quick"]
PACES: Final[tuple[Pace, ...]] = ("slow", "quick")
AXES: list[dict[str, Any]] = [{"name": "quick", "low": "Slow.", "high": "Quick.", "dials": {"patience_turns": [14.0, 4.0]}}]


class Chooser:
    chosen: Pace
    other: Chooser | None = None

    def __init__(self, rng: Random) -> None:
        self.chosen = rng.choice(PACES)

    def level(self) -> float:
        return 0.85 if self.chosen == "quick" else 0.15


def generate(task: dict[str, Any], n: int, rng: Random, model: Any = None) -> list[dict[str, Any]]:
    choosers: list[Chooser] = [Chooser(rng) for _ in range(n)]
    return [{"description": f"Someone {c.chosen}.", "behaviors": {"quick": c.level()}} for c in choosers]

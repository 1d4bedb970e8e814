"""A frozen dataclass that computes a field, and a class hierarchy of them."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

AXES = [
    {"name": "wordy", "low": "Short answers.", "high": "Long answers.", "dials": {"words_per_turn": [4, 28]}},
    {"name": "doubtful", "low": "Trust.", "high": "Ask for proof.", "dials": {"pushback_rate": [0.0, 0.4]}},
]


@dataclass(frozen=True)
class Point:
    wordy: float
    doubtful: float
    scale: InitVar[float] = 1.0
    total: float = field(init=False, default=0.0)

    def __post_init__(self, scale: float) -> None:
        object.__setattr__(self, "total", (self.wordy + self.doubtful) * scale)


@dataclass(frozen=True)
class Labeled(Point):
    label: str = "even"

    @classmethod
    def drawn(cls, rng) -> Labeled:
        wordy, doubtful = rng.random(), rng.random()
        return cls(wordy, doubtful, 0.5, label="strong" if wordy + doubtful > 1 else "mild")


def generate(task, n, rng, model=None):
    points = [Labeled.drawn(rng) for _ in range(n)]
    return [
        {"description": f"A {p.label} character ({p.total:.2f}).", "behaviors": {"wordy": p.wordy, "doubtful": p.doubtful}} for p in points
    ]

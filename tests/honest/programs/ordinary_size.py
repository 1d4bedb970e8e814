"""Four axes, kinds of people, couplings and a policy for each: a program of ordinary size."""

import math
from dataclasses import dataclass, field

AXES = [
    {
        "name": "terse",
        "definition": "how little is said at a time",
        "low": "Write full, unhurried sentences.",
        "high": "Write as little as possible; a word or two will do.",
        "dials": {"words_per_turn": [20.0, 2.0], "formality_rate": [0.4, 0.0]},
    },
    {
        "name": "skeptical",
        "definition": "how much is doubted and asked",
        "low": "Take what you are told as it is.",
        "high": "Question what you are told and ask for reasons.",
        "dials": {"pushback_rate": [0.0, 0.3], "info_seeking_rate": [0.0, 0.5], "clarification_rate": [0.0, 0.1]},
    },
    {
        "name": "frustrated",
        "definition": "how little patience and courtesy is left",
        "low": "Stay calm and friendly.",
        "high": "Be short-tempered; show it and skip the courtesies.",
        "dials": {"politeness_rate": [0.4, 0.0], "emotion_rate": [0.0, 0.4], "accusatory_rate": [0.0, 0.1]},
    },
    {
        "name": "ambiguous",
        "definition": "how vague and piecemeal information is given",
        "low": "Be definite and give everything at once.",
        "high": "Be vague; let details be pulled out of you one by one.",
        "dials": {"uncertainty_rate": [0.0, 0.4], "identifiers_per_turn": [0.5, 0.0], "facts_per_turn": [1.0, 0.0]},
    },
]


@dataclass(frozen=True)
class Kind:
    label: str
    share: float
    centers: dict = field(default_factory=dict)
    spread: float = 0.15


KINDS = (
    Kind("someone in a hurry", 0.4, {"terse": 0.85, "frustrated": 0.5, "ambiguous": 0.4}),
    Kind("a careful planner", 0.3, {"terse": 0.2, "skeptical": 0.7, "ambiguous": 0.1}, 0.1),
    Kind("someone let down before", 0.2, {"skeptical": 0.8, "frustrated": 0.85}, 0.1),
    Kind("someone who is not sure what they want", 0.1, {"ambiguous": 0.9, "terse": 0.5}, 0.08),
)
COUPLINGS = [("terse", "frustrated", 0.3), ("skeptical", "ambiguous", -0.2)]


def clip(value):
    return max(0.0, min(1.0, value))


def draw(kind, rng):
    levels = {axis["name"]: clip(rng.gauss(kind.centers.get(axis["name"], 0.4), kind.spread)) for axis in AXES}
    for one, two, strength in COUPLINGS:
        levels[two] = clip(levels[two] + strength * (levels[one] - 0.5))
    return levels


def kinds_for(n):
    """As many of each kind as its share says, the remainder to the largest fractions."""
    exact = [kind.share * n for kind in KINDS]
    counts = [math.floor(value) for value in exact]
    rest = sorted(range(len(KINDS)), key=lambda i: (counts[i] - exact[i], i))
    for i in rest[: n - sum(counts)]:
        counts[i] += 1
    return [kind for kind, count in zip(KINDS, counts) for _ in range(count)]


def describe(kind, levels):
    marked = [name for name, level in sorted(levels.items()) if level > 0.66]
    return f"{kind.label.capitalize()}" + (f", {' and '.join(marked)}." if marked else ".")


def generate(task, n, rng, model=None):
    kinds = kinds_for(n)
    rng.shuffle(kinds)
    personas = []
    for index, kind in enumerate(kinds):
        levels = draw(kind, rng)
        personas.append({"id": f"p{index}", "description": describe(kind, levels), "behaviors": levels})
    return personas

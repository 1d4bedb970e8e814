"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [
    {
        "name": "terse",
        "definition": "how little is said at a time",
        "low": "Write full, unhurried sentences.",
        "high": "Write as little as possible; a word or two will do.",
        "who": ["in no hurry", "in a hurry"],
        "dials": {
            "words_per_turn": [20.0, 2.0],
            "opening_words": [16.0, 2.0],
            "short_rate": [0.0, 0.6],
            "ack_only_rate": [0.0, 0.3],
            "formality_rate": [0.4, 0.0],
        },
    },
    {
        "name": "skeptical",
        "definition": "how much is doubted and asked",
        "low": "Take what you are told as it is.",
        "high": "Question what you are told and ask for reasons.",
        "who": ["trusting", "hard to convince"],
        "dials": {
            "pushback_rate": [0.0, 0.3],
            "info_seeking_rate": [0.0, 0.5],
            "clarification_rate": [0.0, 0.1],
            "certainty_rate": [0.0, 0.3],
        },
    },
    {
        "name": "frustrated",
        "definition": "how little patience and courtesy is left",
        "low": "Stay calm and friendly.",
        "high": "Be short-tempered; show it and skip the courtesies.",
        "who": ["friendly", "short-tempered"],
        "dials": {
            "politeness_rate": [0.4, 0.0],
            "emotion_rate": [0.0, 0.4],
            "accusatory_rate": [0.0, 0.1],
            "pivot_rate": [0.0, 0.1],
        },
    },
    {
        "name": "ambiguous",
        "definition": "how vague and piecemeal information is given",
        "low": "Be definite and give everything at once.",
        "high": "Be vague; let details be pulled out of you one by one.",
        "who": ["plain-spoken", "vague"],
        "dials": {
            "uncertainty_rate": [0.0, 0.4],
            "identifiers_per_turn": [0.5, 0.0],
            "facts_per_turn": [1.0, 0.0],
        },
    },
]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {
    "terse": [0.0, 1.0],
    "skeptical": [0.0, 1.0],
    "frustrated": [0.0, 1.0],
    "ambiguous": [0.0, 1.0],
}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = []

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = []


def draw(n, rng):
    """Independent: every axis by itself."""
    return [{axis["name"]: rng.random() for axis in AXES} for _ in range(n)]


def level(knots, u):
    """The quantile of a piecewise linear distribution."""
    place = u * (len(knots) - 1)
    index = min(int(place), len(knots) - 2)
    return knots[index] + (knots[index + 1] - knots[index]) * (place - index)


def describe(behaviors):
    """Who this is, from the three axes that are most marked."""
    ends = [(abs(value - 0.5), name, value > 0.5) for name, value in behaviors.items() if abs(value - 0.5) > 1 / 6]
    who = {axis["name"]: axis.get("who", ["", ""]) for axis in AXES}
    said = list(dict.fromkeys(who[name][high] for _, name, high in sorted(ends, reverse=True) if who[name][high]))[:3]
    if not said:
        return "An ordinary person."
    return "Someone who is " + " and ".join(filter(None, [", ".join(said[:-1]), said[-1]])) + "."


def generate(task, n, rng, model=None):
    personas = []
    for index, point in enumerate(draw(n, rng)):
        behaviors = {name: level(LEVELS.get(name, [0.0, 1.0]), u) for name, u in point.items()}
        personas.append({"id": f"p{index}", "description": describe(behaviors), "behaviors": behaviors})
    return personas

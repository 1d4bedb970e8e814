"""Persona program over refined profiles: each is a kind of people with one axis, its level how marked they are.

``personaevo search --profiles`` fills AXES, LEVELS and KINDS: level 0 is half way from the average to the profile, 1 half way beyond it.
"""

import math
import re

AXES = []

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1].
COUPLINGS = []

# Kinds of people: {"share": part of all, "axes": [names]}.
KINDS = []


WORDS = 70  # of a description: the rest of the text says how the person writes


def draw(n, rng):
    """Mixture: KINDS of people in fixed shares, each with its own axes; levels spread evenly (a Latin hypercube), tied along COUPLINGS."""
    kinds = KINDS or [{"share": 1.0, "axes": [axis["name"] for axis in AXES]}]
    total = sum(kind["share"] for kind in kinds)
    columns = {axis["name"]: rng.sample(range(n), n) for axis in AXES}
    points = []
    for i, place in enumerate(rng.sample(range(n), n)):
        left = (place + rng.random()) / n * total
        chosen = kinds[-1]
        for kind in reversed(kinds):
            if left < kind["share"]:
                chosen = kind
                break
            left -= kind["share"]
        evens = {name: (columns[name][i] + rng.random()) / n for name in chosen["axes"]}
        # Nearly normal scores (Tukey's lambda), tied as in a Gaussian copula, and back to levels.
        scores = {name: 4.91 * (u**0.14 - (1.0 - u) ** 0.14) for name, u in evens.items()}
        for first, second, strength in COUPLINGS:
            if first in scores and second in scores:
                scores[second] = strength * scores[first] + (1.0 - strength * strength) ** 0.5 * scores[second]
        points.append({name: 0.5 * (1.0 + math.erf(score / 2.0**0.5)) for name, score in scores.items()})
    return points


def level(knots, u):
    """The quantile of a piecewise linear distribution."""
    place = u * (len(knots) - 1)
    index = min(int(place), len(knots) - 2)
    return knots[index] + (knots[index + 1] - knots[index]) * (place - index)


def describe(names):
    """What is said of the people of these axes, in whole sentences of about WORDS words at most; the definition of an axis that was added
    later begins with "how" and is not of a person."""
    said = [axis["definition"] for axis in AXES if axis["name"] in names and not axis["definition"].startswith("how ")]
    text = ""
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(part for part in said if part)):
        if text and len(f"{text} {sentence}".split()) > WORDS:
            break
        text = f"{text} {sentence}".strip()
    return text[:2000] or "An ordinary person."


def generate(task, n, rng, model=None):
    personas = []
    for index, point in enumerate(draw(n, rng)):
        behaviors = {name: level(LEVELS.get(name, [0.0, 1.0]), u) for name, u in point.items()}
        personas.append({"id": f"p{index}", "description": describe(behaviors), "behaviors": behaviors})
    return personas

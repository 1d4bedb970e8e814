"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'In this, be like most.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [20.0, 2.0],
                   'opening_words': [16.0, 2.0],
                   'short_rate': [0.0, 0.397],
                   'ack_only_rate': [0.0, 0.262],
                   'formality_rate': [0.465, 0.00235]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Take what you are told as it is.',
         'high': 'Question what you are told and ask for reasons.',
         'dials': {'pushback_rate': [0.0, 0.3],
                   'info_seeking_rate': [0.0, 0.5],
                   'clarification_rate': [0.0, 0.1],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.278, 0.0203],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.1],
                   'pivot_rate': [0.0, 0.1]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Be definite and give everything at once.',
         'high': 'Be vague; let details be pulled out of you one by one.',
         'dials': {'uncertainty_rate': [0.0, 0.4], 'identifiers_per_turn': [0.5, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0847, 0.0953]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.37, 0.37]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 0.1, 0.9, 1.0],
          'repetitive': [0.0, 1.0],
          'bursty': [0.0, 1.0]}

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
    marked = [name.split(" (")[0] for name, value in behaviors.items() if value > 0.66]
    return "someone " + (" and ".join(marked) if marked else "even-tempered")


def generate(task, n, rng, model=None):
    personas = []
    for index, point in enumerate(draw(n, rng)):
        behaviors = {name: level(LEVELS.get(name, [0.0, 1.0]), u) for name, u in point.items()}
        personas.append({"id": f"p{index}", "description": describe(behaviors), "behaviors": behaviors})
    return personas

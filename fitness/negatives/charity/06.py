"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Write full, unhurried sentences.',
         'high': 'Write as little as possible; a word or two will do.',
         'dials': {'words_per_turn': [20.0, 2.0],
                   'opening_words': [16.0, 2.0],
                   'short_rate': [0.0, 0.6],
                   'ack_only_rate': [0.0, 0.3],
                   'formality_rate': [0.4, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.0, 0.3],
                   'info_seeking_rate': [0.0, 0.5],
                   'clarification_rate': [0.0, 0.0685],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.4, 0.0],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.0818],
                   'pivot_rate': [0.0, 0.1]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4], 'identifiers_per_turn': [0.335, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'Let it come out bit by bit.',
         'high': 'Let it come out bit by bit.',
         'dials': {'front_loading': [0.101, 0.101]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 0.1, 0.2, 0.3],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.196, 1.0],
          'ambiguous': [0.0, 1.0],
          'front-loading': [0.0, 1.0]}

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

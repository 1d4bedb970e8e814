"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [31.8, 4.26], 'formality_rate': [0.384, 0.0163]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.00348, 0.297],
                   'info_seeking_rate': [0.0173, 0.483],
                   'clarification_rate': [0.00517, 0.0948],
                   'certainty_rate': [0.00556, 0.294]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.324, 0.0189],
                   'emotion_rate': [0.00934, 0.391],
                   'accusatory_rate': [0.00334, 0.0967],
                   'pivot_rate': [0.000822, 0.0992]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Give numbers and codes, and repeat them. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0188, 0.381],
                   'identifiers_per_turn': [0.927, 0.0691],
                   'facts_per_turn': [0.801, 0.0]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.00238, 0.00238]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0579, 0.961],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'acknowledging': [0.0, 1.0]}

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

"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Keep your messages short. Begin with a word or two. Write as one talks.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [13.0, 1.3],
                   'opening_words': [14.7, 3.34],
                   'short_rate': [0.00801, 0.789],
                   'ack_only_rate': [0.00962, 0.29],
                   'formality_rate': [0.257, 0.0235]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.0292, 0.271],
                   'info_seeking_rate': [0.0, 0.462],
                   'clarification_rate': [0.00455, 0.0955],
                   'certainty_rate': [0.0346, 0.265]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.381, 0.0195],
                   'emotion_rate': [0.0, 0.302],
                   'accusatory_rate': [0.00518, 0.06],
                   'pivot_rate': [0.00784, 0.0599]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0217, 0.234],
                   'identifiers_per_turn': [0.515, 0.00895],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00497, 0.011]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.37, 0.37]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0822, 0.0822]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.129, 0.129]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 0.846],
          'role-blurring': [0.0, 1.0],
          'bursty': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'moody': [0.0, 1.0]}

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

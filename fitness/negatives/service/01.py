"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Keep your messages short.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [14.5, 5.2], 'formality_rate': [0.397, 0.00364]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Ask questions of your own.',
         'dials': {'pushback_rate': [0.00955, 0.158],
                   'info_seeking_rate': [0.123, 0.377],
                   'clarification_rate': [0.00164, 0.0697],
                   'certainty_rate': [0.0183, 0.319]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.33, 0.0703],
                   'emotion_rate': [0.0354, 0.297],
                   'accusatory_rate': [0.0127, 0.0535],
                   'pivot_rate': [0.0267, 0.0537]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Do not hedge. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0165, 0.0655],
                   'identifiers_per_turn': [0.536, 0.127],
                   'facts_per_turn': [0.956, 0.0437]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00091, 0.017]}},
        {'name': 'expansive at first',
         'definition': 'how long the first message is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'opening_words': [16.2, 18.8]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.008, 0.008]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.0159, 0.00298]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.0521, 0.0521]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0863, 0.103]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'front_loading': [0.285, 0.285]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 0.0, 0.0, 0.5],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'expansive at first': [0.0, 1.0],
          'clipped': [0.0, 1.0],
          'acknowledging': [0.0, 1.0],
          'moody': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'front-loading': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'skeptical', -0.604], ['terse', 'acknowledging', 0.309], ['acknowledging', 'skeptical', -0.683]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = []


def draw(n, rng):
    """Correlated: normal scores, tied together along COUPLINGS (a Gaussian copula)."""
    points = []
    for _ in range(n):
        scores = {axis["name"]: rng.gauss(0.0, 1.0) for axis in AXES}
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


def describe(behaviors):
    marked = [name.split(" (")[0] for name, value in behaviors.items() if value > 0.66]
    return "someone " + (" and ".join(marked) if marked else "even-tempered")


def generate(task, n, rng, model=None):
    personas = []
    for index, point in enumerate(draw(n, rng)):
        behaviors = {name: level(LEVELS.get(name, [0.0, 1.0]), u) for name, u in point.items()}
        personas.append({"id": f"p{index}", "description": describe(behaviors), "behaviors": behaviors})
    return personas

"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Write as one talks.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [18.8, 4.6], 'formality_rate': [0.245, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.0, 0.259],
                   'info_seeking_rate': [0.105, 0.395],
                   'clarification_rate': [0.0126, 0.0304],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Stay with what you came for.',
         'dials': {'politeness_rate': [0.324, 0.0759],
                   'emotion_rate': [0.0, 0.198],
                   'accusatory_rate': [0.00606, 0.0233],
                   'pivot_rate': [0.0, 0.0281]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Do not hedge. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.0185],
                   'identifiers_per_turn': [0.5, 0.0],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.0, 0.0129]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.0609, 0.0609]}},
        {'name': 'abrupt at first and slow to open up',
         'definition': 'how long the first message is; how much of it all is said at the start',
         'low': 'Begin with a word or two. Put most of what you have to say into your first messages.',
         'high': 'Begin with a word or two.',
         'dials': {'opening_words': [11.0, 10.9], 'front_loading': [0.694, 0.35]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.0143, 0.0143]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.0262, 0.0262]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.437, 0.491]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'moody': [0.0, 0.5],
          'abrupt at first and slow to open up': [0.0, 0.7, 0.9, 1.0],
          'clipped': [0.0, 1.0],
          'acknowledging': [0.0, 1.0],
          'bursty': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'ambiguous', -0.632]]

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

"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Begin with a word or two.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [18.3, 1.83],
                   'opening_words': [13.5, 3.36],
                   'short_rate': [0.0141, 0.818],
                   'ack_only_rate': [0.00582, 0.427],
                   'formality_rate': [0.346, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.0, 0.3],
                   'info_seeking_rate': [0.0569, 0.363],
                   'clarification_rate': [0.0, 0.0961],
                   'certainty_rate': [0.0169, 0.266]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.4, 0.0],
                   'emotion_rate': [0.0205, 0.274],
                   'accusatory_rate': [0.00315, 0.06],
                   'pivot_rate': [0.0, 0.0864]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4],
                   'identifiers_per_turn': [0.483, 0.0173],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'changeable',
         'definition': 'how long a manner lasts within a conversation',
         'low': 'Once short or warm or sharp, stay so for some messages.',
         'high': 'In this, be like most.',
         'dials': {'persistence': [0.272, 0.0163]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00502, 0.00502]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0648, 0.0722]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.408, 0.424]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'Let it come out bit by bit.',
         'high': 'Let it come out bit by bit.',
         'dials': {'front_loading': [0.0918, 0.104]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.112, 0.112]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'changeable': [0.0, 0.0, 0.1],
          'role-blurring': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'bursty': [0.0, 1.0],
          'front-loading': [0.0, 1.0],
          'moody': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['role-blurring', 'frustrated', -0.622]]

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

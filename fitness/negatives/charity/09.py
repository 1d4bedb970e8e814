"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [29.9, 4.31],
                   'opening_words': [16.0, 2.0],
                   'short_rate': [0.0884, 0.442],
                   'ack_only_rate': [0.0344, 0.173],
                   'formality_rate': [0.4, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Ask what was meant. Sound sure of what you '
                 'say.',
         'dials': {'pushback_rate': [0.0, 0.3],
                   'info_seeking_rate': [0.0101, 0.756],
                   'clarification_rate': [0.0, 0.111],
                   'certainty_rate': [0.00842, 0.346]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.328, 0.0123],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.0948],
                   'pivot_rate': [0.0, 0.1]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.00414, 0.497],
                   'identifiers_per_turn': [0.474, 0.0],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'Let it come out bit by bit.',
         'high': 'Let it come out bit by bit.',
         'dials': {'front_loading': [0.0697, 0.0697]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0648, 0.0728]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.0038, 0.0122]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.287, 0.287]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'front-loading': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'bursty': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'bursty', -0.204], ['terse', 'front-loading', -0.641]]

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

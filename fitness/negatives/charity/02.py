"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'In this, be like most.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [19.8, 3.4], 'formality_rate': [0.4, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.024, 0.271],
                   'info_seeking_rate': [0.0242, 0.476],
                   'clarification_rate': [0.0, 0.0594],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.205, 0.0],
                   'emotion_rate': [0.0466, 0.335],
                   'accusatory_rate': [0.0042, 0.0605],
                   'pivot_rate': [0.0, 0.134]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4],
                   'identifiers_per_turn': [0.353, 0.0267],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [21.6, 5.92], 'formality_rate': [0.4, 0.0]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Ask questions of your own.',
         'dials': {'pushback_rate': [0.0349, 0.217],
                   'info_seeking_rate': [0.0733, 0.426],
                   'clarification_rate': [0.0, 0.0943],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Change your mind and propose another way.',
         'dials': {'politeness_rate': [0.156, 0.0],
                   'emotion_rate': [0.0336, 0.275],
                   'accusatory_rate': [0.00802, 0.0458],
                   'pivot_rate': [0.0, 0.164]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4],
                   'identifiers_per_turn': [0.313, 0.0398],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'Say things once.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0248, 0.0396]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.0205, 0.0355]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'Let it come out bit by bit.',
         'high': 'Let it come out bit by bit.',
         'dials': {'front_loading': [0.0927, 0.113]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'Let long messages follow very short ones.',
         'high': 'Let long messages follow very short ones.',
         'dials': {'verbosity_cv': [0.609, 0.609]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.00872, 0.0102]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.0521, 0.0521]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.0026, 0.0134]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'terse (2)': [0.0, 1.0],
          'skeptical (2)': [0.0, 1.0],
          'frustrated (2)': [0.0, 1.0],
          'ambiguous (2)': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'clipped': [0.0, 1.0],
          'front-loading': [0.0, 1.0],
          'bursty': [0.0, 1.0],
          'acknowledging': [0.0, 1.0],
          'moody': [0.0, 1.0],
          'role-blurring': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'skeptical', -0.663], ['terse', 'frustrated', -0.564], ['bursty', 'front-loading', -0.864]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.7,
          'axes': ['terse',
                   'skeptical',
                   'frustrated',
                   'ambiguous',
                   'repetitive',
                   'clipped',
                   'front-loading',
                   'bursty',
                   'acknowledging',
                   'moody',
                   'role-blurring']},
         {'share': 0.3,
          'axes': ['terse (2)',
                   'skeptical (2)',
                   'frustrated (2)',
                   'ambiguous (2)',
                   'repetitive',
                   'clipped',
                   'front-loading',
                   'bursty',
                   'acknowledging',
                   'moody',
                   'role-blurring']}]


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


def describe(behaviors):
    marked = [name.split(" (")[0] for name, value in behaviors.items() if value > 0.66]
    return "someone " + (" and ".join(marked) if marked else "even-tempered")


def generate(task, n, rng, model=None):
    personas = []
    for index, point in enumerate(draw(n, rng)):
        behaviors = {name: level(LEVELS.get(name, [0.0, 1.0]), u) for name, u in point.items()}
        personas.append({"id": f"p{index}", "description": describe(behaviors), "behaviors": behaviors})
    return personas

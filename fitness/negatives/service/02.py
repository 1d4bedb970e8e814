"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Begin with a word or two. Write as one talks.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [16.9, 5.06],
                   'opening_words': [8.71, 1.09],
                   'short_rate': [0.0, 0.6],
                   'ack_only_rate': [0.0, 0.3],
                   'formality_rate': [0.263, 0.0245]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'In this, be like most.',
         'dials': {'pushback_rate': [0.0, 0.156],
                   'info_seeking_rate': [0.0, 0.246],
                   'clarification_rate': [0.00447, 0.0955],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.4, 0.0],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.1],
                   'pivot_rate': [0.00728, 0.0927]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.295], 'identifiers_per_turn': [0.5, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Begin with a word or two. Write as one talks.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [17.0, 5.03],
                   'opening_words': [10.1, 1.26],
                   'short_rate': [0.0, 0.6],
                   'ack_only_rate': [0.0, 0.3],
                   'formality_rate': [0.229, 0.00989]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told.',
         'dials': {'pushback_rate': [0.0, 0.259],
                   'info_seeking_rate': [0.0, 0.273],
                   'clarification_rate': [0.0153, 0.0847],
                   'certainty_rate': [0.0, 0.3]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.4, 0.0],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.1],
                   'pivot_rate': [0.0187, 0.0813]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.239], 'identifiers_per_turn': [0.5, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00264, 0.0102]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.0945, 0.0945]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'terse (2)': [0.7, 0.8, 0.9, 1.0],
          'skeptical (2)': [0.0, 1.0],
          'frustrated (2)': [0.0, 1.0],
          'ambiguous (2)': [0.0, 1.0],
          'role-blurring': [0.161, 1.0],
          'moody': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'terse (2)', 0.314]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.7, 'axes': ['terse', 'skeptical', 'frustrated', 'ambiguous', 'role-blurring', 'moody']},
         {'share': 0.3,
          'axes': ['terse (2)', 'skeptical (2)', 'frustrated (2)', 'ambiguous (2)', 'role-blurring', 'moody']}]


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

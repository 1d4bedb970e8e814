"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Keep your messages short.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [16.5, 1.65], 'formality_rate': [0.333, 0.0027]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Ask what was meant.',
         'dials': {'pushback_rate': [0.0482, 0.245],
                   'info_seeking_rate': [0.0, 0.5],
                   'clarification_rate': [0.0, 0.114],
                   'certainty_rate': [0.0125, 0.288]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Say please, thank you and sorry as a courteous person does. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.599, 0.0325],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.00399, 0.0483],
                   'pivot_rate': [0.0, 0.0888]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.00977, 0.272],
                   'identifiers_per_turn': [0.5, 0.0],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Keep your messages short. Write as one talks.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [13.7, 1.37], 'formality_rate': [0.262, 0.0042]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Ask few questions. Do not insist that you know.',
         'high': 'Ask questions of your own. Ask what was meant.',
         'dials': {'pushback_rate': [0.0575, 0.225],
                   'info_seeking_rate': [0.0, 0.5],
                   'clarification_rate': [0.0, 0.11],
                   'certainty_rate': [0.035, 0.265]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Say please, thank you and sorry as a courteous person does. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel.',
         'dials': {'politeness_rate': [0.685, 0.0372],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.00433, 0.049],
                   'pivot_rate': [0.0, 0.0889]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0115, 0.319],
                   'identifiers_per_turn': [0.5, 0.0],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.0, 0.0101]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'Let long messages follow very short ones.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.556, 0.266]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00307, 0.00825]}},
        {'name': 'expansive at first',
         'definition': 'how long the first message is',
         'low': 'Begin with a word or two.',
         'high': 'Begin with a word or two.',
         'dials': {'opening_words': [14.1, 14.1]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.069, 0.075]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.125, 0.125]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.00983, 0.00983]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'front_loading': [0.303, 0.303]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.261, 1.0],
          'skeptical': [0.0, 0.0, 0.0, 0.5],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 0.1, 0.3, 1.0],
          'terse (2)': [0.119, 0.948],
          'skeptical (2)': [0.0, 0.0, 0.0, 0.5],
          'frustrated (2)': [0.0, 1.0],
          'ambiguous (2)': [0.0, 0.1, 0.3, 1.0],
          'acknowledging': [0.0, 1.0],
          'bursty': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'expansive at first': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'moody': [0.0, 1.0],
          'clipped': [0.0, 1.0],
          'front-loading': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'frustrated', -0.887],
             ['ambiguous', 'skeptical', -0.354],
             ['acknowledging', 'repetitive', 0.507],
             ['terse', 'skeptical', -0.35]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.7,
          'axes': ['terse',
                   'skeptical',
                   'frustrated',
                   'ambiguous',
                   'acknowledging',
                   'bursty',
                   'role-blurring',
                   'expansive at first',
                   'repetitive',
                   'moody',
                   'clipped',
                   'front-loading']},
         {'share': 0.3,
          'axes': ['terse (2)',
                   'skeptical (2)',
                   'frustrated (2)',
                   'ambiguous (2)',
                   'acknowledging',
                   'bursty',
                   'role-blurring',
                   'expansive at first',
                   'repetitive',
                   'moody',
                   'clipped',
                   'front-loading']}]


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

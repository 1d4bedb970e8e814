"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length. Choose formal, written phrasing.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [35.5, 1.0], 'formality_rate': [1.0, 0.0]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Sound sure of what you say.',
         'dials': {'pushback_rate': [0.0, 0.334],
                   'info_seeking_rate': [0.0, 1.0],
                   'clarification_rate': [0.0, 0.0922],
                   'certainty_rate': [0.0, 0.381]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side. Change your mind and propose another '
                 'way.',
         'dials': {'politeness_rate': [0.146, 0.0],
                   'emotion_rate': [0.0, 0.48],
                   'accusatory_rate': [0.0, 0.134],
                   'pivot_rate': [0.00341, 0.328]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Give numbers and codes, and repeat them. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.456],
                   'identifiers_per_turn': [1.19, 0.0],
                   'facts_per_turn': [1.28, 0.0]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.00901, 0.0635]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.032, 0.0908]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length. Choose formal, written phrasing.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [60.0, 1.0], 'formality_rate': [0.687, 0.0]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own.',
         'dials': {'pushback_rate': [0.0, 0.302],
                   'info_seeking_rate': [0.0, 1.0],
                   'clarification_rate': [0.0, 0.0841],
                   'certainty_rate': [0.0, 0.324]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side. Change your mind and propose another '
                 'way.',
         'dials': {'politeness_rate': [0.178, 0.0],
                   'emotion_rate': [0.0, 0.599],
                   'accusatory_rate': [0.00141, 0.0919],
                   'pivot_rate': [0.02, 0.455]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Give numbers and codes, and repeat them. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0264, 0.374],
                   'identifiers_per_turn': [0.987, 0.0],
                   'facts_per_turn': [1.47, 0.0]}},
        {'name': 'clipped (2)',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.0199, 0.0569]}},
        {'name': 'expansive at first',
         'definition': 'how long the first message is',
         'low': 'In this, be like most.',
         'high': 'Begin with a long first message.',
         'dials': {'opening_words': [17.2, 20.0]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'front_loading': [0.266, 0.283]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.0, 0.0122]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.353, 0.411]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'Be another in each conversation, as the mood takes you.',
         'high': 'Be another in each conversation, as the mood takes you.',
         'dials': {'mood_swing': [0.387, 0.423]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0672, 0.0672]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0582, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 0.5],
          'ambiguous': [0.0, 1.0],
          'acknowledging': [0.0, 1.0],
          'clipped': [0.0, 0.971],
          'terse (2)': [0.0, 1.0],
          'skeptical (2)': [0.0, 1.0],
          'frustrated (2)': [0.164, 0.998],
          'ambiguous (2)': [0.0, 1.0],
          'clipped (2)': [0.0, 1.0],
          'expansive at first': [0.0, 1.0],
          'front-loading': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'bursty': [0.0, 1.0],
          'moody': [0.0, 1.0],
          'repetitive': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'ambiguous', 0.378],
             ['bursty', 'ambiguous', -0.351],
             ['bursty', 'front-loading', -0.201],
             ['expansive at first', 'skeptical', 0.331],
             ['skeptical', 'frustrated', 0.898]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.7,
          'axes': ['terse', 'skeptical', 'frustrated', 'ambiguous', 'acknowledging', 'clipped', 'repetitive']},
         {'share': 0.3,
          'axes': ['terse (2)',
                   'skeptical (2)',
                   'frustrated (2)',
                   'ambiguous (2)',
                   'clipped (2)',
                   'expansive at first',
                   'front-loading',
                   'role-blurring',
                   'bursty',
                   'moody',
                   'repetitive']}]


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

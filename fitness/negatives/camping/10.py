"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [26.3, 2.63], 'formality_rate': [0.443, 0.00251]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Sound sure of what you say.',
         'dials': {'pushback_rate': [0.0, 0.3],
                   'info_seeking_rate': [0.0047, 0.572],
                   'clarification_rate': [0.00189, 0.0981],
                   'certainty_rate': [0.0254, 0.359]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.217, 0.0],
                   'emotion_rate': [0.0103, 0.39],
                   'accusatory_rate': [0.0, 0.0869],
                   'pivot_rate': [0.00112, 0.123]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.00135, 0.467],
                   'identifiers_per_turn': [0.629, 0.00645],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.0911, 0.0911]}},
        {'name': 'acknowledging',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.00264, 0.00264]}},
        {'name': 'clipped',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.00659, 0.00659]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00635, 0.00635]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.413, 0.413]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'front_loading': [0.312, 0.312]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length. Choose formal, written phrasing.',
         'high': 'Keep your messages short. Write as one talks.',
         'dials': {'words_per_turn': [43.4, 4.34], 'formality_rate': [0.522, 0.00265]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Ask questions of your own. Sound sure of what you say.',
         'dials': {'pushback_rate': [0.0, 0.18],
                   'info_seeking_rate': [0.00596, 0.72],
                   'clarification_rate': [0.0, 0.0668],
                   'certainty_rate': [0.0, 0.401]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.191, 0.0105],
                   'emotion_rate': [0.0, 0.4],
                   'accusatory_rate': [0.0, 0.0655],
                   'pivot_rate': [0.0, 0.0982]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Give numbers and codes, and repeat them. Tell facts before you are asked.',
         'high': 'Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0449, 0.279],
                   'identifiers_per_turn': [1.64, 0.0372],
                   'facts_per_turn': [1.0, 0.0]}},
        {'name': 'moody (2)',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.157, 0.157]}},
        {'name': 'acknowledging (2)',
         'definition': 'how often a bare acknowledgement is all there is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'ack_only_rate': [0.00634, 0.0117]}},
        {'name': 'clipped (2)',
         'definition': 'how often a few words must do',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'short_rate': [0.00965, 0.0281]}},
        {'name': 'front-loading (2)',
         'definition': 'how much of it all is said at the start',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'front_loading': [0.198, 0.207]}},
        {'name': 'role-blurring (2)',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00214, 0.0129]}},
        {'name': 'expansive at first',
         'definition': 'how long the first message is',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'opening_words': [16.6, 18.4]}},
        {'name': 'persistent in manner',
         'definition': 'how long a manner lasts within a conversation',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'persistence': [0.0811, 0.0811]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 0.0, 0.0, 0.5],
          'moody': [0.0, 1.0],
          'acknowledging': [0.0173, 1.0],
          'clipped': [0.0, 1.0],
          'front-loading': [0.0, 0.0, 0.1],
          'terse (2)': [0.0, 1.0],
          'skeptical (2)': [0.7, 0.8, 0.9, 1.0],
          'frustrated (2)': [0.0, 1.0],
          'ambiguous (2)': [0.0, 1.0],
          'moody (2)': [0.0, 1.0],
          'acknowledging (2)': [0.0, 1.0],
          'clipped (2)': [0.0, 1.0],
          'front-loading (2)': [0.0, 1.0],
          'role-blurring (2)': [0.0, 1.0],
          'expansive at first': [0.0, 1.0],
          'persistent in manner': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = []

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.5,
          'axes': ['terse',
                   'skeptical',
                   'frustrated',
                   'ambiguous',
                   'moody',
                   'acknowledging',
                   'clipped',
                   'role-blurring',
                   'bursty',
                   'front-loading',
                   'persistent in manner']},
         {'share': 0.5,
          'axes': ['terse (2)',
                   'skeptical (2)',
                   'frustrated (2)',
                   'ambiguous (2)',
                   'moody (2)',
                   'acknowledging (2)',
                   'clipped (2)',
                   'front-loading (2)',
                   'role-blurring (2)',
                   'expansive at first',
                   'persistent in manner']}]


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

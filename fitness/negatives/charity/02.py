"""Persona program: four axes after PPol (terse, skeptical, frustrated, ambiguous), levels drawn uniformly and independently."""

import math

AXES = [{'name': 'terse',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length. Begin with a word or two. Choose formal, written phrasing.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Write as one talks.',
         'dials': {'words_per_turn': [21.6, 4.07],
                   'opening_words': [11.8, 1.63],
                   'short_rate': [0.102, 0.339],
                   'ack_only_rate': [0.00435, 0.0784],
                   'formality_rate': [0.546, 0.0165]}},
        {'name': 'skeptical',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Sound sure of what you say.',
         'dials': {'pushback_rate': [0.0, 0.376],
                   'info_seeking_rate': [0.000614, 0.522],
                   'clarification_rate': [0.0, 0.0947],
                   'certainty_rate': [0.00208, 0.379]}},
        {'name': 'frustrated',
         'definition': 'how little patience and courtesy is left',
         'low': 'Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.344, 0.0],
                   'emotion_rate': [0.0312, 0.368],
                   'accusatory_rate': [0.0, 0.0971],
                   'pivot_rate': [0.0, 0.106]}},
        {'name': 'ambiguous',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4], 'identifiers_per_turn': [0.286, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'terse (2)',
         'definition': 'how little is said at a time',
         'low': 'Take your time and say it at length. Begin with a word or two. Often answer in a few words. Choose '
                'formal, written phrasing.',
         'high': 'Keep your messages short. Begin with a word or two. Often answer in a few words. Often just '
                 'acknowledge what you hear. Write as one talks.',
         'dials': {'words_per_turn': [21.7, 3.85],
                   'opening_words': [12.0, 1.68],
                   'short_rate': [0.13, 0.359],
                   'ack_only_rate': [0.00698, 0.192],
                   'formality_rate': [0.517, 0.0223]}},
        {'name': 'skeptical (2)',
         'definition': 'how much is doubted and asked',
         'low': 'Go along with what you are told. Ask few questions. Do not insist that you know.',
         'high': 'Object to what you are told. Ask questions of your own. Ask what was meant. Sound sure of what you '
                 'say.',
         'dials': {'pushback_rate': [0.0, 0.317],
                   'info_seeking_rate': [0.00151, 0.54],
                   'clarification_rate': [0.0, 0.113],
                   'certainty_rate': [0.00376, 0.379]}},
        {'name': 'frustrated (2)',
         'definition': 'how little patience and courtesy is left',
         'low': 'Leave courtesies out. Stay with what you came for.',
         'high': 'Leave courtesies out. Show what you feel. Blame the other side.',
         'dials': {'politeness_rate': [0.329, 0.0],
                   'emotion_rate': [0.0201, 0.38],
                   'accusatory_rate': [0.0, 0.0692],
                   'pivot_rate': [0.0, 0.101]}},
        {'name': 'ambiguous (2)',
         'definition': 'how vague and piecemeal information is given',
         'low': 'Do not hedge. Tell facts before you are asked.',
         'high': 'Sound unsure: maybe, I think, not sure. Keep numbers and codes to a minimum.',
         'dials': {'uncertainty_rate': [0.0, 0.4], 'identifiers_per_turn': [0.34, 0.0], 'facts_per_turn': [1.0, 0.0]}},
        {'name': 'role-blurring',
         'definition': 'how often the user sounds like the one who helps',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'identity_confusion_rate': [0.00686, 0.00914]}},
        {'name': 'repetitive',
         'definition': 'how often the same is said again',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'repetition_rate': [0.0466, 0.0516]}},
        {'name': 'moody',
         'definition': 'how much one conversation differs from the next',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'mood_swing': [0.101, 0.101]}},
        {'name': 'front-loading',
         'definition': 'how much of it all is said at the start',
         'low': 'Let it come out bit by bit.',
         'high': 'Let it come out bit by bit.',
         'dials': {'front_loading': [0.122, 0.122]}},
        {'name': 'bursty',
         'definition': 'how much the length of messages varies',
         'low': 'In this, be like most.',
         'high': 'In this, be like most.',
         'dials': {'verbosity_cv': [0.27, 0.27]}}]

# Per axis the quantiles of its level at evenly spaced points, linear between them: [0, 1] is uniform, [0, 0.1, 1] mostly low.
LEVELS = {'terse': [0.0, 1.0],
          'skeptical': [0.0, 1.0],
          'frustrated': [0.0, 1.0],
          'ambiguous': [0.0, 1.0],
          'terse (2)': [0.0, 1.0],
          'skeptical (2)': [0.0, 1.0],
          'frustrated (2)': [0.0, 1.0],
          'ambiguous (2)': [0.0, 1.0],
          'role-blurring': [0.0, 1.0],
          'repetitive': [0.0, 1.0],
          'moody': [0.0, 1.0],
          'front-loading': [0.0, 1.0],
          'bursty': [0.0, 1.0]}

# Pairs of axes that go together: [axis, axis, strength from -1 to 1]; used by the correlated scaffold and the mixture.
COUPLINGS = [['terse', 'terse (2)', 0.416], ['skeptical', 'skeptical (2)', 0.492], ['bursty', 'front-loading', -0.546]]

# Kinds of people: {"share": part of all, "axes": [names]}; used by the mixture scaffold. Without any, all have all axes.
KINDS = [{'share': 0.7,
          'axes': ['terse',
                   'skeptical',
                   'frustrated',
                   'ambiguous',
                   'role-blurring',
                   'repetitive',
                   'moody',
                   'front-loading',
                   'bursty']},
         {'share': 0.3,
          'axes': ['terse (2)',
                   'skeptical (2)',
                   'frustrated (2)',
                   'ambiguous (2)',
                   'role-blurring',
                   'repetitive',
                   'moody',
                   'front-loading',
                   'bursty']}]


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

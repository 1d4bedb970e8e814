"""Regular expressions: compile, named groups, sub with a function, split, finditer, verbose."""

import re

AXES = [{"name": "casual", "low": "Formal.", "high": "Casual.", "dials": {"formality_rate": [0.5, 0.0]}}]
SHORT = {"going to": "gonna", "want to": "wanna", "have to": "gotta"}
PATTERN = re.compile("|".join(map(re.escape, SHORT)), re.IGNORECASE)
SPEC = re.compile(
    r"""
    (?P<name>[a-z]+)     # which
    \s*=\s*
    (?P<level>\d*\.?\d+) # how much
    """,
    re.VERBOSE,
)
SETTINGS = "casual = .7 ; casual=0.25 , casual = 1"


def loosened(text):
    return PATTERN.sub(lambda match: SHORT[match[0].lower()], text)


def generate(task, n, rng, model=None):
    levels = [float(match["level"]) for match in SPEC.finditer(SETTINGS)]
    words = re.split(r"\W+", loosened(f"I want to {task['goal']} and have to go"))
    title = re.sub(r"\b(\w)", lambda match: match[1].upper(), " ".join(word for word in words if word))
    assert re.fullmatch(r"[A-Za-z0-9 ]+", title) or re.search(r"[^\x00-\x7f]", title)
    return [{"description": f"{title} ({i}).", "behaviors": {"casual": levels[rng.randrange(len(levels))]}} for i in range(n)]

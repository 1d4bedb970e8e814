"""Text from a small grammar, expanded recursively."""

GRAMMAR = {
    "person": ["a {age} {job}", "a {job} {habit}", "someone {habit}"],
    "age": ["young", "middle-aged", "retired"],
    "job": ["nurse", "driver", "teacher", "{age} clerk"],
    "habit": ["who writes late at night", "who hates phones", "with {age} parents"],
}
AXES = [{"name": "hasty", "low": "Take time.", "high": "Hurry.", "dials": {"words_per_turn": [16, 4]}}]


def expand(symbol, rng, depth=0):
    text = rng.choice(GRAMMAR[symbol][: 1 if depth > 4 else None])
    while "{" in text:
        begin, end = text.index("{"), text.index("}")
        text = text[:begin] + expand(text[begin + 1 : end], rng, depth + 1) + text[end + 1 :]
    return text


def generate(task, n, rng, model=None):
    return [{"description": expand("person", rng).capitalize() + ".", "behaviors": {"hasty": rng.random()}} for _ in range(n)]

"""Functions that make functions, with state in nonlocal variables."""

AXES = [{"name": "pushy", "low": "Go along.", "high": "Insist.", "dials": {"pushback_rate": [0, 0.35]}}]


def counter(prefix):
    count = 0

    def following():
        nonlocal count
        count += 1
        return f"{prefix}{count}"

    return following


def scaled(low, high):
    return lambda u: low + (high - low) * u


def chain(*functions):
    def run(value):
        for function in functions:
            value = function(value)
        return value

    return run


def generate(task, n, rng, model=None):
    name = counter("person-")
    shape = chain(scaled(0.1, 0.9), lambda u: u * u, lambda u: round(u, 4))
    return [{"id": name(), "description": "A caller with a firm wish.", "behaviors": {"pushy": shape(rng.random())}} for _ in range(n)]

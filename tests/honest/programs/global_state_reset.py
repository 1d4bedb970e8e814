"""Module-level state that every call sets up anew."""

AXES = [{"name": "firm", "low": "Give in.", "high": "Stand firm.", "dials": {"pushback_rate": [0, 0.4]}}]
_seen = set()
_total = 0


def fresh(name):
    global _total
    _total += 1
    while name in _seen:
        name += "'"
    _seen.add(name)
    return name


def generate(task, n, rng, model=None):
    global _total
    _seen.clear()
    _total = 0
    people = [{"id": fresh(rng.choice("abc")), "description": "Knows what they want.", "behaviors": {"firm": rng.random()}} for _ in range(n)]
    assert _total == len(_seen) == n
    return people

"""Positional-only, keyword-only, starred arguments and unpacking of every kind."""

AXES = [{"name": "careful", "low": "Careless.", "high": "Careful.", "dials": {"typos": [4.0, 0.0]}}]


def blend(first, second, /, *rest, weight=0.5, **extra):
    values = [first, second, *rest]
    mean = sum(values) / len(values)
    return mean * weight + extra.get("shift", 0.0)


def persona(*, index, level, **fields):
    return {"id": f"k{index}", "behaviors": {"careful": level}, **fields}


def generate(task, n, rng, /, model=None):
    options = {"weight": 0.8, "shift": 0.1}
    out = []
    for i in range(n):
        first, *middle, last = [rng.random() for _ in range(4)]
        level = blend(first, last, *middle, **options)
        fields = dict(description=f"Careful to {level:.0%}.", **({"policy": "Check twice."} if i % 2 else {}))
        out.append(persona(index=i, level=level, **fields))
    (a, b), c = (1, 2), 3
    assert [*range(2), a, b, c] == [0, 1, 1, 2, 3]
    return out

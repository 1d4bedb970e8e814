"""Match statements over dicts, sequences, classes, guards and alternatives."""

from dataclasses import dataclass

AXES = [{"name": "direct", "low": "Hint.", "high": "Say it.", "dials": {"words_per_turn": [18, 6]}}]


@dataclass
class Rule:
    kind: str
    amount: float = 0.0


RULES = [Rule("raise", 0.2), Rule("lower", 0.1), Rule("keep"), {"set": 0.7}, ["mix", 0.2, 0.8, "extra"], ("raise", 3), None, "odd", 0.4]


def applied(rule, level):
    match rule:
        case Rule("raise", amount) | Rule("lift", amount):
            return level + amount
        case Rule(kind="lower", amount=amount) if amount > 0:
            return level - amount
        case Rule():
            return level
        case {"set": float(value), **rest} if not rest:
            return value
        case ["mix", low, high, *_]:
            return (low + high) / 2
        case (str(), int() as count):
            return level / count
        case None:
            return 0.0
        case int() | float():
            return rule
        case _:
            return 1.0


def generate(task, n, rng, model=None):
    levels = [min(1.0, max(0.0, applied(RULES[i % len(RULES)], rng.random()))) for i in range(n)]
    return [{"description": f"Follows rule {i % len(RULES)}.", "behaviors": {"direct": level}} for i, level in enumerate(levels)]

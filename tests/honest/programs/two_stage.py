"""Propose with the model, expand each; without a model a table takes its place."""

import json
import re

AXES = [{"name": "skeptical", "low": "Trust.", "high": "Ask why.", "dials": {"pushback_rate": [0.0, 0.3], "info_seeking_rate": [0.1, 0.5]}}]
FALLBACK = ["a parent between two errands", "a retired engineer", "a student on a budget", "someone who was let down before"]
PROMPT = "List {n} different people who want to {goal}, as a JSON list of short descriptions. No other text."


def proposed(task, n, rng, model):
    if model is None:
        return [rng.choice(FALLBACK) for _ in range(n)]
    reply = model.complete(PROMPT.format(n=n, goal=task["goal"]), system="You invent believable people.")
    found = re.search(r"\[.*\]", reply, re.DOTALL)
    try:
        people = [str(person)[:200] for person in json.loads(found[0])] if found else []
    except ValueError:
        people = []
    return (people + [rng.choice(FALLBACK) for _ in range(n)])[:n]


def expanded(person, rng, model):
    if model is None:
        return rng.random()
    digits = re.findall(r"\d+", model.complete(f"How skeptical is {person}? Answer with a number from 0 to 100."))
    return min(100, int(digits[0])) / 100 if digits else rng.random()


def generate(task, n, rng, model=None):
    people = proposed(task, n, rng, model)
    return [{"description": f"{person[:1].upper()}{person[1:]}.", "behaviors": {"skeptical": expanded(person, rng, model)}} for person in people]

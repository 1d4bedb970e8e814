"""Two-stage persona program: one question proposes n people jointly over the axes, one more for each of them writes how that person talks.

Without a model it draws levels independently and leaves the policies to be composed from the axes.
"""

import json
import re

AXES = [
    {
        "name": "terse",
        "definition": "how little is said at a time",
        "low": "Write full, unhurried sentences.",
        "high": "Write as little as possible; a word or two will do.",
        "who": ["in no hurry", "in a hurry"],
        "dials": {"words_per_turn": [20.0, 2.0], "formality_rate": [0.4, 0.0]},
    },
    {
        "name": "skeptical",
        "definition": "how much is doubted and asked",
        "low": "Take what you are told as it is.",
        "high": "Question what you are told and ask for reasons.",
        "who": ["trusting", "hard to convince"],
        "dials": {"pushback_rate": [0.0, 0.3], "info_seeking_rate": [0.0, 0.5]},
    },
    {
        "name": "frustrated",
        "definition": "how little patience and courtesy is left",
        "low": "Stay calm and friendly.",
        "high": "Be short-tempered; show it and skip the courtesies.",
        "who": ["friendly", "short-tempered"],
        "dials": {"politeness_rate": [0.4, 0.0], "emotion_rate": [0.0, 0.4]},
    },
    {
        "name": "ambiguous",
        "definition": "how vague and piecemeal information is given",
        "low": "Be definite and give everything at once.",
        "high": "Be vague; let details be pulled out of you one by one.",
        "who": ["plain-spoken", "vague"],
        "dials": {"uncertainty_rate": [0.0, 0.4], "facts_per_turn": [1.0, 0.0]},
    },
]

TRIES = 2
WORDS = (70, 120)


def ask(model, prompt, read):
    """What ``read`` makes of an answer; asked again if that is nothing. None if it never is something."""
    for attempt in range(TRIES):
        found = read(model.complete(prompt if attempt == 0 else prompt + "\n\nThe last answer could not be used. Keep to the form."))
        if found is not None:
            return found
    return None


def read_list(text):
    """The JSON list in an answer, of dicts only; None if there is none."""
    match = re.search(r"\[.*\]", text, re.DOTALL)
    try:
        items = json.loads(match[0]) if match else None
    except ValueError:
        return None
    return items if isinstance(items, list) and items and all(isinstance(item, dict) for item in items) else None


def read_policy(text):
    """An answer of about the length asked for, on its own lines; None if it is far from it."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("```")]
    return "\n".join(lines) if WORDS[0] // 2 <= sum(len(line.split()) for line in lines) <= WORDS[1] * 2 else None


def level(value, rng):
    """A level as proposed, or drawn where it is no number from 0 to 1."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return round(float(value) if known else rng.random(), 2)


def describe(behaviors):
    """Who this is, from the three axes that are most marked."""
    ends = [(abs(value - 0.5), name, value > 0.5) for name, value in behaviors.items() if abs(value - 0.5) > 1 / 6]
    who = {axis["name"]: axis.get("who", ["", ""]) for axis in AXES}
    said = list(dict.fromkeys(who[name][high] for _, name, high in sorted(ends, reverse=True) if who[name][high]))[:3]
    if not said:
        return "An ordinary person."
    return "Someone who is " + " and ".join(filter(None, [", ".join(said[:-1]), said[-1]])) + "."


def propose(task, n, rng, model):
    """n members: who they are, and their levels. Drawn where there is no model; none where its answers cannot be read."""
    if model is None:
        return [{} for _ in range(n)]
    axes = "\n".join(f'- {axis["name"]}: {axis["definition"]} (0: {axis["low"]} 1: {axis["high"]})' for axis in AXES)
    shown = ", ".join(f'"{axis["name"]}": 0.3' for axis in AXES)
    return ask(model, (
        f"People write to an agent because they want to {task['goal']}. Propose exactly {n} of them who differ as real people do, jointly "
        f"on these scales from 0 to 1; most people are ordinary, some are extreme:\n{axes}\n\n"
        f'Answer with a JSON list of {n} objects and nothing else, each of the form {{"who": "one sentence on the person", {shown}}}.'
    ), read_list) or []


def expand(task, member, levels, model):
    """The member's policy, in words of its own; None if no answer can be used."""
    leanings = "\n".join(f'- {axis["high" if levels[axis["name"]] > 0.5 else "low"]}' for axis in AXES)
    return ask(model, (
        f"A person wants to {task['goal']}: {member}\nThis person leans to:\n{leanings}\n\n"
        f"Write in {WORDS[0]} to {WORDS[1]} words, addressed to the person as 'you', how they write in this chat: how long and how even "
        "their messages are, what they tell when and what only if asked, how they react to questions, to mistakes and to good news, when "
        "they lose patience, and what they never do. Speak of manner only; name no facts."
    ), read_policy)


def generate(task, n, rng, model=None):
    """n people; None for a member whose description or policy could not be had."""
    members = propose(task, n, rng, model)
    people = []
    for index in range(n):
        if index >= len(members):
            people.append(None)
            continue
        member = members[index]
        levels = {axis["name"]: level(member.get(axis["name"]), rng) for axis in AXES}
        who = str(member.get("who", ""))[:400].strip() or describe(levels)
        policy = "" if model is None else expand(task, who, levels, model)
        person = {"id": f"p{index}", "description": who, "behaviors": levels, "policy": policy}
        people.append(None if policy is None else person)
    return people

"""Sets dials itself and writes policies, from the facts of the task."""

AXES = []
TONES = ("matter-of-fact", "apologetic", "cheerful", "weary")


def policy(tone, words, facts):
    lines = [f"You are {tone}.", f"Use about {words} words each time."]
    if facts:
        lines.append(f"You know {len(facts)} details, among them your {sorted(facts)[0]}.")
    return "\n".join(lines)


def generate(task, n, rng, model=None):
    out = []
    for i in range(n):
        tone, words = TONES[i % len(TONES)], rng.randint(2, 25)
        dials = {"words_per_turn": words, "typos": round(rng.expovariate(2.0), 3), "patience_turns": 4 + rng.randrange(10)}
        out.append({"description": f"A {tone} person.", "dials": dials, "policy": policy(tone, words, task.get("facts", {}))})
    return out

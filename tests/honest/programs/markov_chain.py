"""A Markov chain over moods, with a transition table."""

MOODS = ("calm", "irritated", "angry")
STEPS = {"calm": (0.7, 0.25, 0.05), "irritated": (0.3, 0.5, 0.2), "angry": (0.1, 0.4, 0.5)}
AXES = [{"name": "tension", "low": "Stay calm.", "high": "Be tense.", "dials": {"emotion_rate": [0.0, 0.5], "accusatory_rate": [0, 0.1]}}]


def walk(rng, length, mood="calm"):
    path = [mood]
    for _ in range(length):
        mood = rng.choices(MOODS, weights=STEPS[mood])[0]
        path.append(mood)
    return path


def generate(task, n, rng, model=None):
    out = []
    for _ in range(n):
        path = walk(rng, 6)
        tension = sum(MOODS.index(mood) for mood in path) / (2 * len(path))
        out.append({"description": f"Begins {path[0]}, ends {path[-1]}.", "behaviors": {"tension": tension}})
    return out

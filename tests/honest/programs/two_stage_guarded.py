"""A model where there is one, and any failure of it falls back to the pure program."""

AXES = [{"name": "brief", "low": "Ramble.", "high": "Be brief.", "dials": {"words_per_turn": [22, 4]}}]


def ask(model, prompt, default):
    if model is None:
        return default
    try:
        return model.complete(prompt).strip() or default
    except Exception as error:
        print("model failed:", error)
        return default


def generate(task, n, rng, model=None):
    setting = ask(model, f"In one sentence: where would someone be who wants to {task['goal']}?", "At home, on the phone.")
    levels = [rng.random() for _ in range(n)]
    return [{"description": f"{setting[:200]} Person {i + 1} of {n}.", "behaviors": {"brief": level}} for i, level in enumerate(levels)]

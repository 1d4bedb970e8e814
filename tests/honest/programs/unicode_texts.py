"""Texts in many scripts, emoji, combining marks and names of variables that are not ASCII."""

AXES = [
    {"name": "höflich", "low": "Ohne Umschweife.", "high": "Bitte und danke sagen.", "dials": {"politeness_rate": [0, 0.5]}},
    {"name": "краткий", "low": "Пиши подробно.", "high": "Пиши коротко.", "dials": {"words_per_turn": [20, 4]}},
]
GRÜSSE = ["Guten Tag", "こんにちは", "Здравствуйте", "γειά σου", "你好", "سلام", "שלום", "नमस्ते", "e\u0301te\u0301", "😀👍🏽"]


def generate(task, n, rng, model=None):
    out = []
    for i in range(n):
        gruß = GRÜSSE[i % len(GRÜSSE)]
        länge = len(gruß)
        out.append(
            {
                "id": f"ä{i}",
                "description": f"„{gruß}“ — {länge} Zeichen, {gruß.casefold()} … {task['goal']}",
                "behaviors": {"höflich": rng.random(), "краткий": rng.random()},
            }
        )
    return out

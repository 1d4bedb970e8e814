"""Reads the task: goal, facts, context and domain shape the people."""

AXES = [
    {"name": "urgent", "low": "No hurry.", "high": "It is urgent.", "dials": {"patience_turns": [12, 4]}},
    {"name": "informed", "low": "Knows little.", "high": "Knows it all.", "dials": {"facts_per_turn": [0.2, 1.5]}},
]
URGENT = ("today", "tonight", "now", "refund", "cancel")


def generate(task, n, rng, model=None):
    goal, facts, context = task["goal"], task.get("facts") or {}, task.get("context") or ""
    hurry = sum(word in f"{goal} {context}".lower() for word in URGENT) / len(URGENT)
    known = min(1.0, len(facts) / 5)
    out = []
    for i in range(n):
        urgent = min(1.0, max(0.0, 0.3 + hurry + rng.gauss(0, 0.2)))
        informed = min(1.0, max(0.0, known + rng.gauss(0, 0.2)))
        who = f"Wants to {goal}" if i % 2 else f"Has a {task.get('domain') or 'general'} matter"
        out.append({"description": f"{who}; {len(facts)} facts at hand.", "behaviors": {"urgent": urgent, "informed": informed}})
    return out

"""Sets and frozensets, always put in order before they matter."""

AXES = [{"name": "choosy", "low": "Anything goes.", "high": "Be choosy.", "dials": {"clarification_rate": [0, 0.2]}}]
WANTS = frozenset({"price", "speed", "quality", "service"})


def generate(task, n, rng, model=None):
    out, seen = [], set()
    for _ in range(n):
        wants = {want for want in sorted(WANTS) if rng.random() < 0.5} or {"price"}
        seen |= wants
        words = " and ".join(sorted(wants, key=lambda want: (len(want), want)))
        missing = ", ".join(sorted(WANTS - wants)) or "nothing"
        out.append({"description": f"Cares about {words}, not about {missing}.", "behaviors": {"choosy": len(wants) / len(WANTS)}})
    assert seen <= WANTS and not seen.isdisjoint(WANTS)
    return out

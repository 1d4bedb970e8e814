"""JSON as a table in the source, cloned by a round trip."""

import json

TABLE = json.loads(
    """
    {"kinds": [
        {"name": "bargain hunter", "share": 0.5, "behaviors": {"pushy": 0.8}},
        {"name": "regular", "share": 0.3, "behaviors": {"pushy": 0.2}},
        {"name": "stra\\u00dfe & \\"quoted\\"", "share": 0.2, "behaviors": {"pushy": 0.5}}
    ]}
    """
)
AXES = [{"name": "pushy", "low": "Accept.", "high": "Push back.", "dials": {"pushback_rate": [0.0, 0.4]}}]


def clone(value):
    return json.loads(json.dumps(value, sort_keys=True, ensure_ascii=False))


def generate(task, n, rng, model=None):
    kinds = TABLE["kinds"]
    chosen = rng.choices(kinds, weights=[kind["share"] for kind in kinds], k=n)
    out = []
    for index, kind in enumerate(chosen):
        kind = clone(kind)
        level = kind["behaviors"]["pushy"] + rng.uniform(-0.1, 0.1)
        out.append({"id": f"j{index}", "description": f"A {kind['name']}: {json.dumps(kind['behaviors'])}", "behaviors": {"pushy": level}})
    return out

"""F-strings with every kind of format specification."""

AXES = [{"name": "exact", "low": "Be loose with numbers.", "high": "Give exact numbers.", "dials": {"identifiers_per_turn": [0.0, 0.8]}}]


def row(index, level, width=8):
    parts = [
        f"{index:03d}", f"{level:.2f}", f"{level:>{width}.3f}".strip(), f"{level:+.1e}", f"{level:.0%}", f"{index:#x}", f"{1234567 + index:,}",
        f"{'ab':*^8}", f"{index!r:<4}|", f"{level=:.1f}", f"{{{index}}}", f"{'nested ' + f'{index}'}", "%5.2f|%-4s" % (level, index),
    ]
    return "; ".join(parts)


def generate(task, n, rng, model=None):
    return [
        {"description": "Likes figures: " + row(i, level), "behaviors": {"exact": level}}
        for i, level in ((i, rng.uniform(0.2, 0.8)) for i in range(n))
    ]

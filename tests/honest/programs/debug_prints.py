"""Prints while it works, to nobody."""

DEBUG = True
AXES = [{"name": "plain", "low": "Decorate.", "high": "Speak plainly."}]


def log(*words, **options):
    if DEBUG:
        print("[debug]", *words, **options)


def generate(task, n, rng, model=None):
    log("task", sorted(task), "n", n, sep=" | ")
    out = []
    for i in range(n):
        level = rng.random()
        log(f"persona {i}: {level:.3f}", end="\n\n", flush=True)
        out.append({"description": "Speaks plainly.", "behaviors": {"plain": level}})
    print("done " * 2000)
    return out

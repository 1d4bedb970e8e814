"""While, for, else, break, continue, nested loops with labels by flags."""

AXES = [{"name": "neat", "low": "Sloppy.", "high": "Neat.", "dials": {"typos": [3.0, 0.0]}}]


def primes(limit):
    found = []
    for candidate in range(2, limit):
        for divisor in found:
            if divisor * divisor > candidate:
                found.append(candidate)
                break
            if candidate % divisor == 0:
                break
        else:
            found.append(candidate)
    return found


def generate(task, n, rng, model=None):
    out, tries = [], 0
    while True:
        tries += 1
        level = rng.random()
        if level < 0.1:
            continue
        out.append({"id": f"n{len(out)}", "description": f"Neat as the prime {primes(100)[len(out) % 25]}.", "behaviors": {"neat": level}})
        if len(out) == n or tries > 10_000:
            break
    else:
        raise AssertionError("never")
    return out

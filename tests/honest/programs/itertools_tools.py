"""itertools: product, combinations, accumulate, groupby, chain, cycle, islice, pairwise, starmap, zip_longest."""

from itertools import accumulate, chain, combinations, count, cycle, groupby, islice, pairwise, permutations, product, starmap, takewhile, tee, zip_longest

LEVELS = (0.1, 0.5, 0.9)
AXES = [{"name": "doubt", "low": "Believe.", "high": "Doubt.", "dials": {"pushback_rate": [0, 0.3]}}, {"name": "haste", "low": "Slowly.", "high": "Hurry."}]


def generate(task, n, rng, model=None):
    grid = list(product(LEVELS, repeat=2))
    rng.shuffle(grid)
    points = list(islice(cycle(grid), n))
    sums = list(accumulate(a + b for a, b in points))
    steps = [later - earlier for earlier, later in pairwise([0.0, *sums])]
    groups = {key: len(list(members)) for key, members in groupby(sorted(points), key=lambda point: point[0])}
    firsts, seconds = tee(a for a, _ in points)
    pairs = len(list(combinations(range(n), 2))) + len(list(permutations(range(min(n, 3)), 2)))
    labels = list(starmap("{}/{}".format, zip_longest(chain(firsts), range(n), fillvalue="-")))
    small = list(takewhile(lambda value: value < 3, count()))
    assert sum(groups.values()) == len(list(seconds)) == n
    return [
        {"description": f"No. {label}, one of {pairs + len(small)} pairs, step {step:.1f}.", "behaviors": {"doubt": a, "haste": b}}
        for (a, b), label, step in zip(points, labels, steps)
    ]

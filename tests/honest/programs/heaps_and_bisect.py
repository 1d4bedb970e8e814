"""heapq and bisect: the farthest of many candidates is taken again and again."""

from bisect import bisect_left, insort
from heapq import heapify, heappop, heappush, merge, nlargest, nsmallest

AXES = [{"name": "loud", "low": "Write in lower case.", "high": "USE CAPITALS.", "dials": {"words_per_turn": [6, 12]}}]


def spread(n, rng):
    """n levels, each the midpoint of the widest gap left, slightly moved."""
    gaps, found = [(-1.0, 0.0, 1.0)], []
    heapify(gaps)
    while len(found) < n:
        _, low, high = heappop(gaps)
        middle = (low + high) / 2 + (rng.random() - 0.5) * (high - low) * 0.1
        insort(found, middle)
        heappush(gaps, (low - middle, low, middle))
        heappush(gaps, (middle - high, middle, high))
    return found


def generate(task, n, rng, model=None):
    levels = spread(n, rng)
    top, low = nlargest(2, levels), nsmallest(2, levels)
    assert list(merge(levels, [2.0]))[-1] == 2.0
    return [
        {"description": f"Rank {bisect_left(levels, level) + 1}{' (an extreme)' if level in top or level in low else ''}.", "behaviors": {"loud": level}}
        for level in levels
    ]

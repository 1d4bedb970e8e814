"""Reservoir sampling with weights from a large virtual crowd."""

from heapq import heappush, heapreplace

AXES = [{"name": "rare", "low": "Common.", "high": "Unusual.", "dials": {"pivot_rate": [0.0, 0.2]}}]


def crowd(rng, size=2000):
    for index in range(size):
        u = rng.random()
        yield index, u, 0.2 + u * u


def reservoir(items, n, rng):
    heap = []
    for index, level, weight in items:
        key = rng.random() ** (1 / weight)
        if len(heap) < n:
            heappush(heap, (key, index, level))
        elif key > heap[0][0]:
            heapreplace(heap, (key, index, level))
    return sorted((index, level) for _, index, level in heap)


def generate(task, n, rng, model=None):
    return [{"id": f"r{index}", "description": f"Number {index} of two thousand.", "behaviors": {"rare": level}} for index, level in reservoir(crowd(rng), n, rng)]

"""Recursion: a binary tree of groups, and divide and conquer."""

AXES = [{"name": "calm", "low": "Be upset.", "high": "Stay calm.", "dials": {"emotion_rate": [0.4, 0.0]}}]


def split(n, rng, depth=0):
    """The sizes and levels of groups that n people fall into."""
    if n <= 1 or depth == 6:
        return [(n, rng.random())] if n else []
    left = rng.randint(1, n - 1)
    return split(left, rng, depth + 1) + split(n - left, rng, depth + 1)


def merge_sort(values):
    if len(values) < 2:
        return values
    middle = len(values) // 2
    left, right, out = merge_sort(values[:middle]), merge_sort(values[middle:]), []
    while left and right:
        out.append((left if left[0] <= right[0] else right).pop(0))
    return out + left + right


def ackermann(m, n):
    return n + 1 if m == 0 else ackermann(m - 1, 1) if n == 0 else ackermann(m - 1, ackermann(m, n - 1))


def generate(task, n, rng, model=None):
    levels = merge_sort([level for size, level in split(n, rng) for _ in range(size)])
    return [{"description": f"Person {ackermann(1, i)} of the queue.", "behaviors": {"calm": level}} for i, level in enumerate(levels)]

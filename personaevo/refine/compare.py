"""What a refinement changed: one measure before and after on the same items, whichever direction is better.

A measure that is missing on one side of a pair says nothing of that pair: it is left out, and the count says so. Pairs of one unit (an item
that was role-played several times, a person with several items) depend on one another, so units are drawn and tossed as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from personaevo.measure.paired import bootstrap_interval, holm, sign_flip_p, unit_means


@dataclass(frozen=True, slots=True)
class Change:
    """One measure before and after.

    ``before`` and ``after`` are means over units, in the measure's own unit; ``gain`` is the change toward the better, so that positive is
    always good; ``low`` and ``high`` are its interval; ``p`` is two-sided. ``n`` units were compared, ``pairs`` of the ``planned`` pairs
    had both values. ``better`` is True or False where the interval excludes 0, None where nothing can be said. Means are None without a
    pair; interval and p with fewer than two units.
    """

    name: str
    before: float | None
    after: float | None
    gain: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    pairs: int
    planned: int
    better: bool | None


def change(
    name: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    *,
    higher_is_better: bool,
    units: Sequence[str] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Change:
    """The change of a measure from ``before[i]`` to ``after[i]``, i being one item (or role-play) scored both times; None is missing.

    ``units[i]`` names what pair i belongs to; without it each pair is its own unit. Every unit counts the same.

    Raises:
        ValueError: the sequences differ in length.
    """
    names = [str(index) for index in range(len(before))] if units is None else list(units)
    rows = list(zip(before, after, names, strict=True))
    kept = [(first, second, unit) for first, second, unit in rows if first is not None and second is not None]
    if not kept:
        return Change(name, None, None, None, None, None, None, 0, 0, len(rows), None)
    owners = [unit for _, _, unit in kept]
    firsts, seconds = unit_means([first for first, _, _ in kept], owners), unit_means([second for _, second, _ in kept], owners)
    gains = (seconds - firsts) if higher_is_better else (firsts - seconds)
    means = float(firsts.mean()), float(seconds.mean()), float(gains.mean())
    if len(gains) < 2:
        return Change(name, *means, None, None, None, len(gains), len(kept), len(rows), None)
    low, high = bootstrap_interval(gains, seed, level=level)
    p = sign_flip_p(gains, seed)
    return Change(name, *means, low, high, p, len(gains), len(kept), len(rows), _verdict(low, high))


def corrected(changes: Sequence[Change], alpha: float = 0.05) -> list[Change]:
    """The same changes as one family: p-values adjusted by Holm's method over those that have one, and ``better`` withdrawn (None) where
    the adjusted p is above ``alpha``."""
    tested = [index for index, one in enumerate(changes) if one.p is not None]
    adjusted = dict(zip(tested, holm([one.p for one in changes if one.p is not None]), strict=True))
    return [
        replace(one, p=adjusted[index], better=one.better if adjusted[index] <= alpha else None) if index in adjusted else one
        for index, one in enumerate(changes)
    ]


def share_worse(before: Sequence[float | None], after: Sequence[float | None], *, higher_is_better: bool) -> float | None:
    """Share (0..1) of the pairs with both values for which the measure got worse; None without such a pair."""
    pairs = [(first, second) for first, second in zip(before, after, strict=True) if first is not None and second is not None]
    if not pairs:
        return None
    return float(np.mean([second < first if higher_is_better else second > first for first, second in pairs]))


def _verdict(low: float, high: float) -> bool | None:
    return True if low > 0 else False if high < 0 else None

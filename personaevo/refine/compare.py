"""Paired comparison: one measure before and after a refinement on the same items.

A pair with a missing value is left out and counted. Pairs of one unit (an item with several role-plays, a person with several items) are
dependent, so whole units are resampled and sign-flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from personaevo.measure.paired import bootstrap_interval, holm, sign_flip_p, unit_means


@dataclass(frozen=True, slots=True)
class Change:
    """One measure before and after.

    Attributes:
        before, after: means over units, in the measure's unit; None without a pair.
        gain: improvement; positive is better whichever direction the measure has.
        low, high: confidence interval of the gain; None with fewer than two units.
        p: two-sided p-value; None with fewer than two units.
        n: units compared.
        pairs: pairs with both values, of ``planned`` pairs.
        better: True or False if the interval excludes 0, else None.
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
    """Compare ``before[i]`` with ``after[i]``, i being one item (or role-play) scored both times; None is missing.

    ``units[i]`` is the unit of pair i; by default each pair is its own unit. All units have the same weight.

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
    better = True if low > 0 else False if high < 0 else None
    return Change(name, *means, low, high, p, len(gains), len(kept), len(rows), better)


def corrected(changes: Sequence[Change], alpha: float = 0.05) -> list[Change]:
    """Correct for multiple comparisons: p-values adjusted by Holm's method, and ``better`` None where the adjusted p is above ``alpha``."""
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

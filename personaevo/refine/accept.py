"""Whether a candidate takes the place of the current profile: only if it is nearer to behavior that it was not made from, and by more than
playing the unchanged profile once more would bring by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.refine.scoring import Sheet

LEVEL = 0.9  # of re-samplings of the unchanged profile bring less than what a gain must exceed
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Decision:
    """``best`` is the index of the best candidate (None if none has a score), ``gain`` its gain over the current profile, ``noise`` what
    it had to exceed; ``accepted`` tells whether it did."""

    best: int | None
    gain: float | None
    noise: float
    accepted: bool

    def reason(self, part: str) -> str:
        """What was found of the best candidate on that part of the person's behavior."""
        if self.gain is None:
            return f"nothing could be measured on {part}"
        how = "more than" if self.accepted else "not more than"
        return f"gain on {part} {self.gain:.3f}, {how} {self.noise:.3f} from re-sampling the unchanged profile"


def gain(current: Sheet, candidate: Sheet) -> float | None:
    """The paired gain: how much nearer the candidate is on the items, role-plays having the same seeds. Positive is better."""
    pairs = [(a, b) for a, b in zip(current.values(), candidate.values(), strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    change = float(np.mean([b - a for a, b in pairs]))
    return change if current.higher else -change


def noise(sheet: Sheet, seed: int) -> float:
    """By how much two scores of the *same* profile differ when it is played anew, in 90 % of cases at most: its role-plays are drawn twice
    with replacement (bootstrap), as other seeds would give them."""
    if not any(len(rows) for rows in sheet.played):
        return 0.0
    values = sheet.resampled(np.random.default_rng(seed), 2 * _DRAWS)
    return float(np.quantile(np.abs(values[:_DRAWS] - values[_DRAWS:]), LEVEL))


def decide(current: Sheet, candidates: Sequence[Sheet], seed: int) -> Decision:
    """Judges candidates that were played with the seeds of the current profile; of equal ones the first is the best."""
    gains = [gain(current, one) for one in candidates]
    known = [(value, -index) for index, value in enumerate(gains) if value is not None]
    limit = noise(current, seed)
    if not known:
        return Decision(None, None, limit, False)
    best, place = max(known)
    return Decision(-place, best, limit, best > limit)

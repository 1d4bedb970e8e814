"""Acceptance test of an update.

A candidate replaces the current profile only if it is closer to behavior that it was not made from, by more than the variation between
role-plays and between items of the person explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.records import Floats
from personaevo.refine.scoring import ScoreSheet

LEVEL = 0.9  # quantile of the bootstrap that a gain must exceed
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Trial:
    """Scores of one profile on the deciding items, and on ``others``: simulated groups of as many other items of the same person (None
    if these cannot be simulated; the deciding items are then resampled)."""

    sheet: ScoreSheet
    others: ScoreSheet | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on some candidates.

    Attributes:
        best: index of the best candidate (None if none has a score).
        gain: its gain over the current profile.
        noise: the bound that the gain had to exceed.
        accepted: whether it did.
    """

    best: int | None
    gain: float | None
    noise: float
    accepted: bool

    def reason(self, part: str) -> str:
        """The decision in words; ``part`` names the items that decided."""
        if self.gain is None:
            return f"nothing could be measured on {part}"
        how = "more than" if self.accepted else "not more than"
        return f"gain on {part} {self.gain:.3f}, {how} {self.noise:.3f} that other items and role-plays may bring"


def gains(current: ScoreSheet, candidate: ScoreSheet) -> Floats:
    """Gain of the candidate on each item that both have a score on; positive is better."""
    pairs = [(a, b) for a, b in zip(current.values(), candidate.values(), strict=True) if a is not None and b is not None]
    found = np.array([b - a for a, b in pairs])
    return found if current.higher else -found


def gain(current: ScoreSheet, candidate: ScoreSheet) -> float | None:
    """Mean gain; None without one. Role-plays of both have the same seeds."""
    found = gains(current, candidate)
    return float(found.mean()) if len(found) else None


def noise(current: Trial, candidate: Trial, seed: int) -> float:
    """Upper bound of the error of the gain in 90 % of bootstrap draws.

    Role-plays are resampled with replacement, the same ones for both profiles, and so are the person's items.
    """
    found = gains(current.sheet, candidate.sheet)
    if not len(found):
        return 0.0
    rng = np.random.default_rng(seed)
    errors = _role_play_errors(current.sheet, candidate.sheet, rng) + _item_errors(current, candidate, found, rng)
    return max(0.0, float(np.quantile(errors, LEVEL)))


def _role_play_errors(current: ScoreSheet, candidate: ScoreSheet, rng: np.random.Generator) -> Floats:
    """Deviations of the gain under resampled role-plays."""
    size = max((len(row) for row in (*current.played, *candidate.played)), default=0)
    numbers = rng.random((_DRAWS, size))
    drawn = candidate.resampled(numbers) - current.resampled(numbers)
    off: Floats = drawn - drawn.mean()
    return off


def _item_errors(current: Trial, candidate: Trial, found: Floats, rng: np.random.Generator) -> Floats:
    """Deviations of the gain under resampled items of the person."""
    if current.others is None or candidate.others is None:
        off: Floats = found[rng.integers(len(found), size=(_DRAWS, len(found)))].mean(axis=1) - found.mean()
        return off
    others = gains(current.others, candidate.others)
    return np.asarray(others[rng.integers(len(others), size=_DRAWS)] - others.mean())


def decide(current: Trial, candidates: Sequence[Trial], seed: int) -> Decision:
    """Judge candidates that were played with the seeds of the current profile; the first of equal ones is the best."""
    found = [gain(current.sheet, one.sheet) for one in candidates]
    known = [(value, -index) for index, value in enumerate(found) if value is not None]
    if not known:
        return Decision(None, None, 0.0, False)
    best, place = max(known)
    limit = noise(current, candidates[-place], seed)
    return Decision(-place, best, limit, best > limit)

"""Whether a candidate takes the place of the current profile: only if it is nearer to behavior that it was not made from, and by more than
chance would bring: other role-plays of the two profiles, and other items of the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.records import Floats
from personaevo.refine.scoring import Sheet

LEVEL = 0.9  # of drawings take less from a gain than what it must exceed
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Trial:
    """What one profile scored: on the items that decide, and on ``others``, each of which is what as many other items of the same person
    may be (None where nothing says what these are like: then the items that decide are drawn anew)."""

    sheet: Sheet
    others: Sheet | None = None


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
        return f"gain on {part} {self.gain:.3f}, {how} {self.noise:.3f} that other items and role-plays may bring"


def gains(current: Sheet, candidate: Sheet) -> Floats:
    """How much nearer the candidate is on each item that both have a score on; positive is better."""
    pairs = [(a, b) for a, b in zip(current.values(), candidate.values(), strict=True) if a is not None and b is not None]
    found = np.array([b - a for a, b in pairs])
    return found if current.higher else -found


def gain(current: Sheet, candidate: Sheet) -> float | None:
    """The mean of the gains; None without one. Role-plays have the same seeds."""
    found = gains(current, candidate)
    return float(found.mean()) if len(found) else None


def noise(current: Trial, candidate: Trial, seed: int) -> float:
    """By how much the gain may be too high, in 90 % of cases at most: role-plays are drawn anew with replacement, the same ones for both,
    and so are the items of the person."""
    found = gains(current.sheet, candidate.sheet)
    if not len(found):
        return 0.0
    rng = np.random.default_rng(seed)
    again = _of_role_plays(current.sheet, candidate.sheet, rng) + _of_items(current, candidate, found, rng)
    return max(0.0, float(np.quantile(again, LEVEL)))


def _of_role_plays(current: Sheet, candidate: Sheet, rng: np.random.Generator) -> Floats:
    """Deviations of the gain when role-plays are others."""
    size = max((len(row) for row in (*current.played, *candidate.played)), default=0)
    numbers = rng.random((_DRAWS, size))
    drawn = candidate.resampled(numbers) - current.resampled(numbers)
    off: Floats = drawn - drawn.mean()
    return off


def _of_items(current: Trial, candidate: Trial, found: Floats, rng: np.random.Generator) -> Floats:
    """Deviations of the gain when the person's items are others."""
    if current.others is None or candidate.others is None:
        off: Floats = found[rng.integers(len(found), size=(_DRAWS, len(found)))].mean(axis=1) - found.mean()
        return off
    others = gains(current.others, candidate.others)
    return np.asarray(others[rng.integers(len(others), size=_DRAWS)] - others.mean())


def decide(current: Trial, candidates: Sequence[Trial], seed: int) -> Decision:
    """Judges candidates that were played with the seeds of the current profile; of equal ones the first is the best."""
    found = [gain(current.sheet, one.sheet) for one in candidates]
    known = [(value, -index) for index, value in enumerate(found) if value is not None]
    if not known:
        return Decision(None, None, 0.0, False)
    best, place = max(known)
    limit = noise(current, candidates[-place], seed)
    return Decision(-place, best, limit, best > limit)

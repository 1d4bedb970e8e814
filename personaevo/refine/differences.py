"""Measured differences between role-plays of a profile and the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.cells import Standard
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.roles import RolePlay

REPORTED = 0.25  # least difference that is reported, in standard deviations of the population
LARGE = 1.0
MOST_REPORTED = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature: means of the person's dialogues, the role-plays and the population, in the feature's unit.

    ``gap`` is person less role-plays, in standard deviations of the population.
    """

    feature: str
    person: float
    played: float
    typical: float
    gap: float


def measured_differences(role_plays: Sequence[RolePlay], person: Floats, population: Standard) -> list[Difference]:
    """Differences in all features that vary in the population and are known on both sides, the largest first.

    Args:
        role_plays: those without a fingerprint do not count.
        person: rows ``[m, d]`` of the person's dialogues.
        population: mean and standard deviation of many people, see ``Standard.of``.

    Returns:
        The differences; empty if either side has no fingerprint.
    """
    played = [one.fingerprint for one in role_plays if one.fingerprint is not None]
    if not played or not len(person):
        return []
    names = np.array(features.names()[: person.shape[1]])[population.kept]
    ours, theirs = features.mean_of(person)[population.kept], features.mean_of(np.array(played))[population.kept]
    gaps = (ours - theirs) / population.sd
    columns = zip(names, ours, theirs, population.mean, gaps, strict=True)
    found = [Difference(str(name), *map(float, figures)) for name, *figures in columns if np.isfinite(figures[-1])]
    return sorted(found, key=lambda one: -abs(one.gap))


def differences_text(differences: Sequence[Difference]) -> str:
    """The largest differences in words and numbers, one line each; those below a quarter of a standard deviation are left out."""
    units = features.units()
    lines = []
    for one in [one for one in differences if abs(one.gap) >= REPORTED][:MOST_REPORTED]:
        figures = f"the person {one.person:.3g}, the role-play {one.played:.3g}, people on average {one.typical:.3g}"
        much, more = "much " if abs(one.gap) >= LARGE else "", "more" if one.gap > 0 else "less"
        lines.append(f"- {one.feature} ({units[one.feature]}): {figures}: the person shows {much}{more} of it than the role-play")
    return "\n".join(lines) or "- nothing stands out"

"""What a profile does against what the person did, behavior by behavior of the fingerprint: what of an analysis needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.cells import Standard
from personaevo.records import Floats
from personaevo.refine import features
from personaevo.refine.roles import Performance

WORTH_SAYING = 0.25  # standard deviations of the population
MUCH = 1.0
MOST_SAID = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """One behavior: means of the person's own dialogues, of the role-plays and of the population, in the feature's unit; ``gap``
    is person less role-plays in standard deviations of the population."""

    feature: str
    person: float
    played: float
    typical: float
    gap: float


def fingerprint(texts: Sequence[str], losses: Sequence[str] = ()) -> Floats | None:
    """The row [d] (``features.measured``) of what one side says in one dialogue; None if there is no word."""
    row: Floats = features.measured([texts], losses)[0]
    return None if np.isnan(row[0]) else row


def measured_differences(performances: Sequence[Performance], person: Floats, population: Standard) -> list[Difference]:
    """All behaviors that vary in the population and that both sides had occasion for, the most different first.

    Args:
        performances: role-plays; those without a fingerprint do not count. With none, or nothing of the person, there is no difference.
        person: rows ``[m, d]`` of the person's own dialogues.
        population: mean and standard deviation of many people, see ``Standard.of``.
    """
    played = [one.fingerprint for one in performances if one.fingerprint is not None]
    if not played or not len(person):
        return []
    names = np.array(features.names()[: person.shape[1]])[population.kept]
    ours, theirs = features.mean_of(person)[population.kept], features.mean_of(np.array(played))[population.kept]
    gaps = (ours - theirs) / population.sd
    columns = zip(names, ours, theirs, population.mean, gaps, strict=True)
    found = [Difference(str(name), *map(float, figures)) for name, *figures in columns if np.isfinite(figures[-1])]
    return sorted(found, key=lambda one: -abs(one.gap))


def differences_text(differences: Sequence[Difference]) -> str:
    """The greatest differences in words and numbers, a line each; those below a quarter of a standard deviation are not worth saying."""
    units = features.units()
    worth = [one for one in differences if abs(one.gap) >= WORTH_SAYING][:MOST_SAID]
    return "\n".join(
        f"- {one.feature} ({units[one.feature]}): the person {one.person:.3g}, the role-play {one.played:.3g}, people on average "
        f"{one.typical:.3g}: {_words(one.gap)}"
        for one in worth
    ) or "- nothing stands out"  # fmt: skip


def _words(gap: float) -> str:
    much = "much " if abs(gap) >= MUCH else ""
    return f"the person shows {much}{'more' if gap > 0 else 'less'} of it than the role-play"

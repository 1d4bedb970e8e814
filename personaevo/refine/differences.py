"""What a profile does against what the person did, behavior by behavior of the fingerprint: what of an analysis needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo import definitions
from personaevo.measure.cells import Standard
from personaevo.measure.fingerprint import words_of
from personaevo.measure.losses import apply_losses
from personaevo.records import Floats
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
    """The fingerprint [d] of what one side says in one dialogue, after the text lost what the corpus lost; None if there is no word."""
    heard = [apply_losses(text, losses) for text in texts]
    if not any(words_of(heard)):
        return None
    row: Floats = definitions.features().measure([heard]).values[0]
    return row


def measured_differences(performances: Sequence[Performance], person: Floats, population: Standard) -> list[Difference]:
    """All behaviors that vary in the population, the most different first.

    Args:
        performances: role-plays; those without a fingerprint do not count. With none, or nothing of the person, there is no difference.
        person: fingerprints ``[m, d]`` of the person's own dialogues.
        population: mean and standard deviation of many people, see ``Standard.of``.
    """
    played = [one.fingerprint for one in performances if one.fingerprint is not None]
    if not played or not len(person):
        return []
    names = np.array(definitions.features().names)[population.kept]
    ours, theirs = person.mean(axis=0), np.mean(played, axis=0)
    gaps = (ours - theirs)[population.kept] / population.sd
    columns = (names, ours[population.kept], theirs[population.kept], population.mean, gaps)
    found = [Difference(str(name), *map(float, figures)) for name, *figures in zip(*columns, strict=True)]
    return sorted(found, key=lambda one: -abs(one.gap))


def differences_text(differences: Sequence[Difference]) -> str:
    """The greatest differences in words and numbers, a line each; those below a quarter of a standard deviation are not worth saying."""
    units = {feature.name: feature.unit for feature in definitions.features().features}
    worth = [one for one in differences if abs(one.gap) >= WORTH_SAYING][:MOST_SAID]
    return "\n".join(
        f"- {one.feature} ({units[one.feature]}): the person {one.person:.3g}, the role-play {one.played:.3g}, people on average "
        f"{one.typical:.3g}: {_words(one.gap)}"
        for one in worth
    ) or "- nothing stands out"  # fmt: skip


def _words(gap: float) -> str:
    much = "much " if abs(gap) >= MUCH else ""
    return f"the person shows {much}{'more' if gap > 0 else 'less'} of it than the role-play"

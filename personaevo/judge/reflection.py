"""Reflection without a model: in which behaviors a population is off, most of all first.

What is said is in words ("less", "apart"), not in numbers: whoever rewrites a program learns the direction, as from a critique, and
still has to find out how far. Four things can be off: how much of a behavior is shown, how far personas are apart in it, how much one
persona changes from one dialogue to the next, and which behaviors go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.agreement import intraclass
from personaevo.records import Floats, Remark, Wanted

_WORTH_SAYING = 0.15  # standard deviations of people that the means differ by
_WORTH_SPREAD = 0.4  # |log| of the ratio of the spreads
_WORTH_COUPLING = 0.25  # difference of two correlations
_COUPLINGS = 6  # said of one population, at most
_NO_SPREAD = 0.02  # share of people's variance: less counts as so much, since the logarithm of nothing says nothing
_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Norm:
    """People's figures, ``[d]`` each, computed once: means, standard deviations, variances, and correlations ``[d, d]``."""

    mean: Floats
    sd: Floats
    variance: Floats
    correlations: Floats

    @classmethod
    def of(cls, people: Floats) -> Norm:
        """Of ``people[m, d]``."""
        return cls(people.mean(axis=0), people.std(axis=0), people.var(axis=0), _correlations(people))


def reflect(
    population: Floats, pairs: Floats, people: Norm, names: Sequence[str], consistency: float | None = None
) -> tuple[Remark, ...]:
    """Remarks on ``population[n, d]`` against people, the worst first (none for n < 2).

    ``pairs[p, 2, d]`` are two dialogues of each persona, and ``consistency`` how much those of one person agree: with both it is said
    whether personas should be farther "apart" or more "alike", and one persona "steadier" or "looser"; without, only "wider" and
    "narrower".
    """
    if len(population) < 2:
        return ()
    spread = np.maximum(people.sd, _EDGE)
    off = (population.mean(axis=0) - people.mean) / spread
    found = [
        (abs(float(gap)), Remark(name, "less" if gap > 0 else "more"))
        for name, gap in zip(names, off, strict=True) if abs(gap) > _WORTH_SAYING
    ]  # fmt: skip
    if consistency is not None and len(pairs) > 2:
        found += _of_persons(pairs, people, names, consistency)
    else:
        off_mean = {remark.feature for _, remark in found}
        ratio = np.log(np.maximum(population.std(axis=0), _EDGE) / spread)
        found += [one for one in _spreads(ratio, names, ("narrower", "wider")) if one[1].feature not in off_mean]
    found += _couplings(population, people, names)
    return tuple(remark for _, remark in sorted(found, key=lambda entry: -entry[0]))


def _of_persons(pairs: Floats, people: Norm, names: Sequence[str], consistency: float) -> list[tuple[float, Remark]]:
    """Spread between personas and inside one, each against what people's spread and consistency make of it."""
    agreement = np.clip(intraclass(pairs).by_feature, 0.0, 1.0)
    ours, theirs = pairs.reshape(-1, pairs.shape[-1]).var(axis=0), np.maximum(people.variance, _EDGE**2)
    between = np.log(np.maximum(agreement * ours, _NO_SPREAD * theirs) / (consistency * theirs)) / 2
    within = np.log(np.maximum((1 - agreement) * ours, _NO_SPREAD * theirs) / ((1 - consistency) * theirs)) / 2
    told = np.maximum(ours, theirs) > _EDGE**2  # a behavior that nobody shows is not spoken of
    return _spreads(between * told, names, ("alike", "apart")) + _spreads(within * told, names, ("steadier", "looser"))


def _spreads(ratio: Floats, names: Sequence[str], words: tuple[Wanted, Wanted]) -> list[tuple[float, Remark]]:
    """A remark for each feature that is off: the first word where there is too much, the second where there is too little. Half as grave
    as a mean."""
    pairs = [(float(one), name) for one, name in zip(ratio, names, strict=True) if abs(one) > _WORTH_SPREAD]
    return [(abs(one) / 2, Remark(name, words[0] if one > 0 else words[1])) for one, name in pairs]


def _couplings(population: Floats, people: Norm, names: Sequence[str]) -> list[tuple[float, Remark]]:
    """Pairs of behaviors that go together otherwise than among people: "together" or "opposed", the direction to go."""
    off = people.correlations - _correlations(population)
    rows, columns = np.triu_indices(len(off), 1)
    order = np.argsort(-np.abs(off[rows, columns]), kind="stable")[:_COUPLINGS]
    found = [(float(off[rows[at], columns[at]]), names[rows[at]], names[columns[at]]) for at in order]
    worth = [one for one in found if abs(one[0]) > _WORTH_COUPLING]
    return [(abs(gap) / 2, Remark(f"{one}~{other}", "together" if gap > 0 else "opposed")) for gap, one, other in worth]


def _correlations(values: Floats) -> Floats:
    """Correlations of the columns, 0 where one is constant."""
    scaled = values - values.mean(axis=0)
    scaled = scaled / np.maximum(np.sqrt((scaled**2).sum(axis=0)), _EDGE)
    found: Floats = scaled.T @ scaled
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """One behavior of a population beside people's: means and spreads (standard deviations) in the feature's unit, and what to do about
    it in words ("people show more of it")."""

    feature: str
    people_mean: float
    people_sd: float
    mean: float
    sd: float
    words: str


_WORDS = {
    "more": "people show more of it",
    "less": "people show less of it",
    "wider": "people differ more in it",
    "narrower": "people differ less in it",
    "apart": "personas should differ more from one another in it",
    "alike": "personas should differ less from one another in it",
    "steadier": "one persona should vary less in it from one conversation to the next",
    "looser": "one persona should vary more in it from one conversation to the next",
    "together": "among people the two go together more",
    "opposed": "among people the two go together less",
}
OF_PERSONAS = frozenset({"apart", "alike", "steadier", "looser", "together", "opposed"})


def in_words(remark: Remark) -> str:
    """A remark as a line: the behavior, or the two, and what to do about it."""
    return f"{remark.feature.replace('~', ' and ').replace('_', ' ')}: {_WORDS[remark.wanted]}"


def gaps(population: Floats, people: Norm, names: Sequence[str]) -> tuple[Gap, ...]:
    """The remarks on ``population[n, d]`` with their numbers, for a model that rewrites the program."""
    columns = {name: index for index, name in enumerate(names)}
    means, spreads = population.mean(axis=0), population.std(axis=0)
    found = []
    for remark in reflect(population, population[:0, None], people, names):
        at = columns.get(remark.feature)
        if at is not None:
            people_figures, ours = (float(people.mean[at]), float(people.sd[at])), (float(means[at]), float(spreads[at]))
            found.append(Gap(remark.feature, *people_figures, *ours, _WORDS[remark.wanted]))
    return tuple(found)

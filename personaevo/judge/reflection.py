"""Remarks on a population: the features in which it differs from people, the largest difference first. No language model is involved.

A remark states a direction ("less", "apart") without a number, like a critique; the operator that uses it has to find the amount. Four
properties are compared: the mean of a feature, its spread between personas, its variation between dialogues of one persona, and its
correlations with other features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.agreement import intraclass
from personaevo.records import Floats, Remark, Wanted

_WORTH_SAYING = 0.15  # least difference of means, in standard deviations of people
_WORTH_SPREAD = 0.4  # least |log| of the ratio of spreads
_WORTH_COUPLING = 0.25  # least difference of correlations
_COUPLINGS = 6  # most remarks on correlations
_NO_SPREAD = 0.02  # lower bound of a variance, as a share of people's, before the logarithm
_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Norm:
    """Statistics of people: means, standard deviations and variances, ``[d]`` each, and correlations ``[d, d]``."""

    mean: Floats
    sd: Floats
    variance: Floats
    correlations: Floats

    @classmethod
    def of(cls, people: Floats) -> Norm:
        """Compute the statistics of ``people[m, d]``."""
        return cls(people.mean(axis=0), people.std(axis=0), people.var(axis=0), _correlations(people))


def reflect(
    population: Floats, pairs: Floats, people: Norm, names: Sequence[str], consistency: float | None = None
) -> tuple[Remark, ...]:
    """Remarks on ``population[n, d]`` relative to people, the largest difference first (none for n < 2).

    ``pairs[p, 2, d]`` are two dialogues of each persona, and ``consistency`` is the agreement of two dialogues of one person. With both,
    remarks on spread are "apart" or "alike" between personas, and "steadier" or "looser" within one. Otherwise they are "wider" or
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
    """Remarks on the variances between and within personas, compared with those implied by people's variance and consistency."""
    agreement = np.clip(intraclass(pairs).by_feature, 0.0, 1.0)
    ours, theirs = pairs.reshape(-1, pairs.shape[-1]).var(axis=0), np.maximum(people.variance, _EDGE**2)
    between = np.log(np.maximum(agreement * ours, _NO_SPREAD * theirs) / (consistency * theirs)) / 2
    within = np.log(np.maximum((1 - agreement) * ours, _NO_SPREAD * theirs) / ((1 - consistency) * theirs)) / 2
    told = np.maximum(ours, theirs) > _EDGE**2  # skip features that are constant on both sides
    return _spreads(between * told, names, ("alike", "apart")) + _spreads(within * told, names, ("steadier", "looser"))


def _spreads(ratio: Floats, names: Sequence[str], words: tuple[Wanted, Wanted]) -> list[tuple[float, Remark]]:
    """Remarks on features with too much spread (first word) or too little (second word), at half the weight of remarks on means."""
    pairs = [(float(one), name) for one, name in zip(ratio, names, strict=True) if abs(one) > _WORTH_SPREAD]
    return [(abs(one) / 2, Remark(name, words[0] if one > 0 else words[1])) for one, name in pairs]


def _couplings(population: Floats, people: Norm, names: Sequence[str]) -> list[tuple[float, Remark]]:
    """Remarks on pairs of features whose correlation differs from people's: "together" or "opposed" is the direction of the change."""
    off = people.correlations - _correlations(population)
    rows, columns = np.triu_indices(len(off), 1)
    order = np.argsort(-np.abs(off[rows, columns]), kind="stable")[:_COUPLINGS]
    found = [(float(off[rows[at], columns[at]]), names[rows[at]], names[columns[at]]) for at in order]
    worth = [one for one in found if abs(one[0]) > _WORTH_COUPLING]
    return [(abs(gap) / 2, Remark(f"{one}~{other}", "together" if gap > 0 else "opposed")) for gap, one, other in worth]


def _correlations(values: Floats) -> Floats:
    """Correlations of the columns; 0 for constant columns."""
    scaled = values - values.mean(axis=0)
    scaled = scaled / np.maximum(np.sqrt((scaled**2).sum(axis=0)), _EDGE)
    found: Floats = scaled.T @ scaled
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Difference in one feature: means and standard deviations of people and of a population in the feature's unit, and the remark in
    words ("people show more of it")."""

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
    """A remark as a line of text: the feature or pair of features, and the change."""
    return f"{remark.feature.replace('~', ' and ').replace('_', ' ')}: {_WORDS[remark.wanted]}"


def gaps(population: Floats, people: Norm, names: Sequence[str]) -> tuple[Gap, ...]:
    """The remarks on ``population[n, d]`` with numbers, for a model that rewrites the program."""
    columns = {name: index for index, name in enumerate(names)}
    means, spreads = population.mean(axis=0), population.std(axis=0)
    found = []
    for remark in reflect(population, population[:0, None], people, names):
        at = columns.get(remark.feature)
        if at is not None:
            people_figures, ours = (float(people.mean[at]), float(people.sd[at])), (float(means[at]), float(spreads[at]))
            found.append(Gap(remark.feature, *people_figures, *ours, _WORDS[remark.wanted]))
    return tuple(found)

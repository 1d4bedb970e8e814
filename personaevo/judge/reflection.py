"""Reflection without a model: in which behaviors a population is off, most of all first.

What is said is in words ("less", "wider"), not in numbers: whoever rewrites a program learns the direction, as from a critique, and
still has to find out how far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.records import Floats, Remark

_WORTH_SAYING = 0.25  # standard deviations of people that the means differ by
_WORTH_SPREAD = 0.4  # |log| of the ratio of the spreads


def reflect(population: Floats, people: Floats, names: Sequence[str]) -> tuple[Remark, ...]:
    """Remarks on ``population[n, d]`` against ``people[m, d]``: features whose mean or spread is off, the worst first (none for n < 2)."""
    if len(population) < 2:
        return ()
    spread = np.maximum(people.std(axis=0), 1e-9)
    off = (population.mean(axis=0) - people.mean(axis=0)) / spread
    ratio = np.log(np.maximum(population.std(axis=0), 1e-9) / spread)
    found: list[tuple[float, Remark]] = []
    for index, name in enumerate(names):
        if abs(off[index]) > _WORTH_SAYING:
            found.append((abs(float(off[index])), Remark(name, "less" if off[index] > 0 else "more")))
        elif abs(ratio[index]) > _WORTH_SPREAD:
            found.append((abs(float(ratio[index])) / 2, Remark(name, "narrower" if ratio[index] > 0 else "wider")))
    return tuple(remark for _, remark in sorted(found, key=lambda entry: -entry[0]))


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
}


def gaps(population: Floats, people: Floats, names: Sequence[str]) -> tuple[Gap, ...]:
    """The remarks on ``population[n, d]`` with their numbers, for a model that rewrites the program."""
    columns = {name: index for index, name in enumerate(names)}
    found = []
    for remark in reflect(population, people, names):
        ours, theirs = population[:, columns[remark.feature]], people[:, columns[remark.feature]]
        means, spreads = (float(theirs.mean()), float(ours.mean())), (float(theirs.std()), float(ours.std()))
        found.append(Gap(remark.feature, means[0], spreads[0], means[1], spreads[1], _WORDS[remark.wanted]))
    return tuple(found)

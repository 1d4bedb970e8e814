"""Agreement: how similar several dialogues of one person are, relative to those of different people.

Retest agreement is the one-way random-effects intraclass correlation ICC(1) (Shrout & Fleiss 1979). With mean squares between persons
(MSB) and within them (MSW), and k dialogues each, it is ``(MSB - MSW) / (MSB + (k - 1) MSW)``: the share of the variance that lies between
persons, about 0 (of either sign) where dialogues of one person are no more similar than those of two. In a corpus without repeated
people, the halves of each dialogue are compared instead (``odd_even``) and rescaled by corpora where both can be measured
(``estimated``). All figures are means over features that vary among people (``varying``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from personaevo.measure.fingerprint import FeatureSet, words_of
from personaevo.records import Floats, Record

MIN_PEOPLE = 30
MIN_SHOWN = 0.02
MIN_HALVED_TURNS = 5
NOT_IN_HALVES = ("opening_words", "front_loading", "verbosity_cv")  # need a whole dialogue, or more turns than half of one has
_WIDE = 1.96


class Agreement(Record):
    """Consistency of the people of a corpus: an intraclass correlation of the whole fingerprint over dialogues of one person.

    ``low``..``high`` is a 95 % interval. Kind "retest": measured on ``people`` persons with two or more dialogues. Kind "odd_even":
    estimated from the halves of the dialogues of ``people`` persons (of dialogues, where persons are not recorded); the interval covers
    the estimates by both corpora of ``Ratios``, and ``value - 1.96 se .. value + 1.96 se`` covers the interval. Kind "assumed": nothing
    could be measured, and the value lies between those of the two corpora.
    """

    value: float
    se: float
    low: float
    high: float
    kind: Literal["retest", "odd_even", "assumed"]
    people: int


class Ratio(Record):
    """Retest agreement of a corpus, and its ratio to odd-even agreement where both can be measured."""

    ratio: float
    ratio_se: float
    retest: float
    retest_se: float


class Ratios(Record):
    """The ratio used for estimates (``charity``), and that of a second corpus (``support``), which sets the interval."""

    charity: Ratio
    support: Ratio


class ByFeature(NamedTuple):
    """Agreement per feature ``[d]`` and its mean over the selected features (0 if there are none)."""

    by_feature: Floats
    mean: float


class Measured(NamedTuple):
    """As ``ByFeature``, with the mean's standard error (jackknife over people) and the number of people."""

    by_feature: Floats
    mean: float
    se: float
    people: int


def varying(values: Floats) -> Any:
    """Boolean mask ``[d]`` of the columns of ``values[n, d]`` in which at least 2 % of the rows differ from the commonest value.

    Computed once from people and used for personas too, because rare behaviors are uninformative about consistency and add noise.
    """
    commonest = np.array([np.unique(column, return_counts=True)[1].max(initial=0) for column in values.T])
    return (commonest < len(values)) & (len(values) - commonest >= MIN_SHOWN * len(values) - 1e-9)


def intraclass(values: Floats, groups: Sequence[str] | None = None, varying: Any = None, scale: Floats | None = None) -> ByFeature:
    """ICC(1) of ``values[p, 2, d]``: two dialogues of each of p persons or personas; -1..1.

    Args:
        groups: the task of each of the p. Each task's mean (over its persons and both dialogues) is removed first, and MSB has p minus
            the number of tasks as degrees of freedom, because the effect of a task is no agreement of persons.
        varying: boolean ``[d]``: the features whose mean is taken; all by default.
        scale: ``[d]``: a feature counts as constant if its spread is below 1e-9 of this (default: of the largest value, at least 1).

    A feature that is constant in ``values`` has 0, as has every feature if each task has one person: persons cannot be distinguished.
    """
    between, within, sizes = _sums(values, groups)
    degrees = int(sizes.sum())
    by_feature = _icc2(between.sum(axis=0), within.sum(axis=0), degrees - len(sizes), degrees, _floor(values, scale))
    return ByFeature(by_feature, float(_mean(by_feature, varying)))


def replicates(values: Floats, groups: Sequence[str], varying: Any = None) -> Floats:
    """The mean of ``intraclass(values, groups, varying)`` without each of the g groups, ``[g]`` in sorted order of the groups.

    For the delete-one-group jackknife (``jackknife_se``), since persons from one call of a program are not independent. Sums of squares
    add over groups, so nothing is computed twice.
    """
    between, within, sizes = _sums(values, groups)
    left = (sizes.sum() - sizes)[:, None]
    without = (between.sum(axis=0) - between, within.sum(axis=0) - within)
    return np.asarray(_mean(_icc2(*without, left - (len(sizes) - 1), left, _floor(values, None)), varying))


def weighted(values: Floats, calls: Any, weights: Floats, varying: Any = None) -> Floats:
    """The mean of ``intraclass`` under each weighting of the calls, ``[k]``.

    Args:
        calls: index of the call (the task) of each of the p pairs, ``[p]``.
        weights: how often each of the g calls counts, ``[k, g]``.
    """
    size = weights.shape[1]
    between, within, sizes = (np.zeros((size, *part.shape[1:])) for part in (values[:1, 0], values[:1, 0], np.zeros(1)))
    known = np.unique(calls)
    between[known], within[known], sizes[known] = _sums(values, calls)
    pairs, groups = weights @ sizes, weights @ (sizes > 0)
    by_feature = _icc2(weights @ between, weights @ within, (pairs - groups)[:, None], pairs[:, None], _floor(values, None))
    return np.asarray(_mean(by_feature, varying))


def _sums(values: Floats, groups: Any) -> tuple[Floats, Floats, Any]:
    """Sums of squares between and within persons by group, ``[g, d]`` each, and the number of persons in each."""
    index = np.zeros(len(values), int) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(index)
    member = (index == np.arange(len(sizes))[:, None]).astype(float)
    means = values.mean(axis=1)
    centers = member @ means / sizes[:, None]
    return member @ (2 * (means - centers[index]) ** 2), member @ ((values[:, 0] - values[:, 1]) ** 2 / 2), sizes


def _icc2(between: Floats, within: Floats, df_between: Any, df_within: Any, floor: Floats) -> Floats:
    msb, msw = between / np.maximum(df_between, 1), within / np.maximum(df_within, 1)
    told = np.broadcast_to((msb + msw > floor) & (np.asarray(df_between) > 0), msb.shape)
    icc: Floats = np.divide(msb - msw, msb + msw, out=np.zeros_like(msb), where=told)
    return icc


def _floor(values: Floats, scale: Floats | None) -> Floats:
    """The variance below which a feature counts as constant."""
    if scale is None:
        scale = np.maximum(np.abs(values).max(axis=tuple(range(values.ndim - 1)), initial=0.0), 1.0)
    return np.asarray((1e-9 * np.asarray(scale, dtype=float)) ** 2)


def _mean(by_feature: Floats, mask: Any) -> Any:
    """Mean over the last axis, where the mask holds."""
    kept = by_feature if mask is None else by_feature[..., np.asarray(mask, dtype=bool)]
    return kept.mean(axis=-1) if kept.shape[-1] else np.zeros(by_feature.shape[:-1])


def jackknife_se(replicates: Floats) -> float:
    """Standard error of a statistic from its values with each unit left out; 0 for fewer than two units."""
    n = len(replicates)
    return float(np.sqrt((n - 1) / n * np.sum((replicates - replicates.mean()) ** 2))) if n > 1 else 0.0


def shrunken(c: Any, se: Any) -> Any:
    """Posterior mean of an agreement measured as ``c`` with standard error ``se``, under the prior N(0, tau²) estimated from ``c`` itself.

    ``c tau² / (tau² + se²)`` with ``tau² = max(0, c² - se²)``: 0 where ``|c| <= se``, else ``c - se² / c``. Numbers or arrays.
    """
    c, se = np.asarray(c, dtype=float), np.asarray(se, dtype=float)
    tau2 = np.maximum(c**2 - se**2, 0.0)
    share = np.divide(tau2, tau2 + se**2, out=np.zeros_like(tau2), where=tau2 > 0)
    return c * share if share.ndim else float(c * share)


def centered(values: Floats, groups: Sequence[str]) -> Floats:
    """``values[n, d]`` minus the mean of their group (kind of task) ``groups[n]``; input of ``retest`` and ``odd_even``.

    Degrees of freedom are not corrected, so groups should have many dialogues each.
    """
    index = np.unique(np.asarray(groups), return_inverse=True)[1]
    size = int(index.max(initial=-1)) + 1
    counts = np.bincount(index, minlength=size)[:, None]
    return np.asarray(values - (_by_person(values, index, size) / counts)[index])


def retest(values: Floats, people: Sequence[str], varying: Any = None) -> Measured:
    """ICC(1) of ``values[n, d]`` over those of ``people[n]`` with two or more dialogues; the others are left out.

    With unequal numbers of dialogues, k in the formula is ``k0 = (N - sum k² / N) / (a - 1)`` for a people with N dialogues. Equal to
    ``intraclass`` if every person has two.
    """
    _, index, counts = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    rows = counts[index] > 1
    values, index = values[rows] - values[rows].mean(axis=0) if rows.any() else values[rows], index[rows]
    index = np.unique(index, return_inverse=True)[1]
    k = np.bincount(index).astype(float)[:, None] if len(index) else np.zeros((0, 1))
    sums, squares = _by_person(values, index, len(k)), _by_person(values**2, index, len(k))
    a, n, k2 = (_without(part) for part in (np.ones_like(k), k, k**2))
    n = np.maximum(n, 1.0)
    ssb = _without(sums**2 / np.maximum(k, 1)) - _without(sums) ** 2 / n
    msb = np.maximum(ssb, 0.0) / np.maximum(a - 1, 1)
    msw = _without(np.maximum(squares - sums**2 / np.maximum(k, 1), 0.0)) / np.maximum(n - a, 1)
    total = msb + ((n - k2 / n) / np.maximum(a - 1, 1) - 1) * msw
    icc = np.divide(msb - msw, total, out=np.zeros_like(msb), where=total > _floor(values, None))
    return _measured(icc, varying, len(k))


def odd_even(odd: Floats, even: Floats, varying: Any = None, people: Sequence[str] | None = None) -> Measured:
    """Pearson correlation over dialogues of the fingerprint of their odd turns, ``odd[n, d]``, with that of their even ones.

    A feature that is constant in a half has 0. ``people[n]`` are left out one at a time for the standard error (default: one dialogue
    per person).
    """
    index = np.arange(len(odd)) if people is None else np.unique(np.asarray(people), return_inverse=True)[1]
    size = int(index.max(initial=-1)) + 1
    x, y = (half - half.mean(axis=0) if len(half) else half for half in (odd, even))
    n = np.maximum(_without(np.bincount(index, minlength=size)[:, None].astype(float)), 1.0)
    sx, sy, xx, yy, xy = (_without(_by_person(part, index, size)) / n for part in (x, y, x * x, y * y, x * y))
    vx, vy = xx - sx**2, yy - sy**2
    told = (vx > _floor(odd, None)) & (vy > _floor(even, None))
    r = np.divide(xy - sx * sy, np.sqrt(np.where(told, vx * vy, 1.0)), out=np.zeros_like(vx), where=told)
    return _measured(np.clip(r, -1.0, 1.0), varying, size)


def _by_person(values: Floats, index: Any, size: int) -> Floats:
    """Sums of the rows of each person, ``[size, d]``."""
    sums = np.zeros((size, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def _without(parts: Floats) -> Floats:
    """Stack the sum of the rows on the sums that leave out one row each."""
    total = parts.sum(axis=0, keepdims=True)
    return np.vstack([total, total - parts])


def _measured(statistic: Floats, mask: Any, people: int) -> Measured:
    """Result from a statistic by feature: the first row is over all people, the others leave out one person each."""
    means = _mean(statistic, mask)
    return Measured(statistic[0], float(means[0]), jackknife_se(means[1:]), people)


def halves(dialogues: Sequence[Sequence[str]]) -> tuple[Any, list[list[str]], list[list[str]]]:
    """Odd and even user turns of dialogues with at least five turns; the first turn is left out because it differs in kind.

    Returns:
        the indices of those dialogues, their 2nd, 4th, … turns, and their 3rd, 5th, … ones (turns without a word do not count).
    """
    spoken = [[text for text, words in zip(turns, words_of(turns), strict=True) if words] for turns in dialogues]
    kept = [index for index, turns in enumerate(spoken) if len(turns) >= MIN_HALVED_TURNS]
    return np.array(kept, dtype=int), [spoken[index][1::2] for index in kept], [spoken[index][2::2] for index in kept]


def odd_even_of(dialogues: Sequence[Sequence[str]], people: Sequence[str], groups: Sequence[str], features: FeatureSet) -> Measured:
    """Odd-even agreement of dialogues' user turns, as the mean over features that are defined on halves and vary in both.

    Args:
        people: the person of each dialogue.
        groups: the group (kind of task) of each dialogue; the mean of each group is removed.
    """
    kept, *sides = halves(dialogues)
    odd, even = (features.measure(side).values for side in sides)
    mask = varying(odd) & varying(even) & np.array([name not in NOT_IN_HALVES for name in features.names])
    groups, people = ([of[index] for index in kept] for of in (groups, people))
    return odd_even(centered(odd, groups), centered(even, groups), mask, people)


def retested(measured: Measured) -> Agreement:
    """Agreement measured on several dialogues of each person."""
    value, half = measured.mean, _WIDE * measured.se
    return _agreement(value, measured.se, value - half, value + half, "retest", measured.people)


def estimated(measured: Measured, ratios: Ratios) -> Agreement:
    """Agreement of people with one dialogue each: odd-even agreement times the ratio of the charity corpus.

    The interval covers the estimates' intervals by both corpora.
    """
    ends = []
    for ratio in (ratios.charity, ratios.support):  # standard error by the delta method; the two factors come from different people
        se = float(np.hypot(measured.se * ratio.ratio, measured.mean * ratio.ratio_se))
        ends.append((measured.mean * ratio.ratio, se))
    value = ends[0][0]
    low, high = min(mean - _WIDE * se for mean, se in ends), max(mean + _WIDE * se for mean, se in ends)
    return _agreement(value, max(high - value, value - low) / _WIDE, low, high, "odd_even", measured.people)


def assumed(ratios: Ratios) -> Agreement:
    """Agreement assumed for people with one short dialogue each: the mean of the two corpora."""
    both = ratios.charity, ratios.support
    value = sum(one.retest for one in both) / len(both)
    low, high = min(one.retest - _WIDE * one.retest_se for one in both), max(one.retest + _WIDE * one.retest_se for one in both)
    return _agreement(value, max(high - value, value - low) / _WIDE, low, high, "assumed", 0)


def _agreement(
    value: float, se: float, low: float, high: float, kind: Literal["retest", "odd_even", "assumed"], people: int
) -> Agreement:
    value, se, low, high = (float(f"{number:.4g}") for number in (value, se, low, high))
    return Agreement(value=value, se=se, low=low, high=high, kind=kind, people=people)

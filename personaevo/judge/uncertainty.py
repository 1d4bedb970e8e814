"""Bootstrap intervals of the final table that include the sampling of people and of ``generate`` calls.

A *world* is one bootstrap sample of people: persons are drawn with replacement, the judge, cells, space and levels are fitted to them, and
people's consistency is drawn from its error distribution. In each world calls are resampled ``CALL_DRAWS`` times. All rows share the
worlds and, since they played the same plan, the draws of calls, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from personaevo.executors import Carried
from personaevo.judge.discriminator import Judge, Negatives, train
from personaevo.judge.objectives import SCORE, Objective, Played, harmonic, objectives, steering, using
from personaevo.judge.scorer import Scorer
from personaevo.measure.agreement import Agreement, Measured, retest
from personaevo.measure.cells import Descriptors, tessellate
from personaevo.measure.energy import Space
from personaevo.measure.stats import student_factor
from personaevo.records import Episode, Floats, PlanItem

CALL_DRAWS = 50  # in each world
LEVEL = 0.95
_FEW_CALLS = 8  # with fewer calls the jackknife error is unreliable, and consistency shrunk to 0 would show no spread
_TWICE = 10  # least number of people with two dialogues for measuring consistency
Shares = dict[str, Floats]


@dataclass(frozen=True)
class People:
    """Fingerprints ``values[n, d]`` and the person of each. In a bootstrap sample ``copies`` tells the copies of a person apart."""

    values: Floats
    persons: tuple[str, ...]
    copies: tuple[str, ...] = ()

    def drawn(self, rng: np.random.Generator) -> People:
        """A bootstrap sample of persons, each with all of their dialogues. A person drawn twice stays one person, so that no fold of the
        judge is trained on a copy; agreement is measured on ``copies``, since a copied dialogue is not a second one."""
        names = sorted(set(self.persons))
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        count = dict(zip(names, times.tolist(), strict=True))
        rows = np.repeat(np.arange(len(self.persons)), [count[who] for who in self.persons])
        copies = tuple(f"{who} {number}" for who in self.persons for number in range(count[who]))
        return People(self.values[rows], tuple(self.persons[row] for row in rows), copies)

    def retest(self, varying: Any = None) -> Measured:
        """Agreement of several dialogues of one person (``measure.agreement.retest``)."""
        return retest(self.values, self.copies or self.persons, varying)


@dataclass(frozen=True)
class OwnParts:
    """User-defined parts: a judge, descriptors and objectives."""

    judge: Judge | None = None
    descriptors: Descriptors | None = None
    objectives: tuple[Objective, ...] = ()


@dataclass(frozen=True)
class TableSetting:
    """Inputs of the final table.

    Attributes:
        scorer: scorer by the held-out people.
        judged_by: the held-out people.
        others: other people who determine the levels.
        row: other people who are the row "humans".
        negatives: training data of the scorer's judge.
        profiled: whether the cells are made around profiles and stay fixed.
        own: user-defined parts (``OwnParts``).
    """

    scorer: Scorer
    judged_by: People
    others: People
    row: People
    negatives: Mapping[str, Negatives]
    cell_count: int
    profiled: bool = False
    own: Carried | None = None

    @cached_property
    def row_is_retested(self) -> bool:
        """Whether enough of the row's people have two dialogues. It is decided once, so that all bootstrap samples measure the same."""
        return self.row.retest().people >= _TWICE

    @property
    def own_parts(self) -> OwnParts:
        """The user-defined parts; empty if there are none."""
        found: OwnParts = OwnParts() if self.own is None else self.own.part
        return found


def point(setting: TableSetting, rows: Mapping[str, Sequence[Episode]], n: int) -> tuple[dict[str, Shares], dict[str, Shares]]:
    """Point estimates of every row and of "humans": shares and raw values, ``[1]`` each."""
    found = {name: point_of(setting.scorer, episodes) for name, episodes in rows.items()} | {"humans": point_of_people(setting, n)}
    return {name: shares for name, (shares, _) in found.items()}, {name: raw for name, (_, raw) in found.items()}


def point_of(scorer: Scorer, episodes: Sequence[Episode]) -> tuple[Shares, Shares]:
    """Point estimates of one row: shares and raw values, ``[1]`` each."""
    played = Played.of(scorer.judged(episodes), scorer.worst)
    return scorer.shares(replace(played, weights=played.weights[:1]))


def point_of_people(setting: TableSetting, n: int) -> tuple[Shares, Shares]:
    """Mean shares and raw values over draws of n dialogues of people, ``[1]`` each."""
    both = _humans(setting, setting.scorer, setting.row, n, np.random.default_rng(setting.scorer.seed))
    shares, raw = ({name: values.mean(keepdims=True) for name, values in found.items()} for found in both)
    return shares, raw


@dataclass(frozen=True)
class World:
    """One bootstrap sample of people: its scorer, and the shares of draws of n people (``[CALL_DRAWS]`` each)."""

    number: int
    scorer: Scorer
    humans: Shares

    def shares(self, episodes: Sequence[Episode]) -> Shares:
        """Shares of a row in this world, ``[CALL_DRAWS]`` each; rows with equally many calls share the draws of calls."""
        played = Played.of(self.scorer.judged(episodes), self.scorer.worst)
        calls = played.weights.shape[1]
        rng = np.random.default_rng([self.scorer.seed, self.number, calls])
        weights = rng.multinomial(calls, np.full(calls, 1 / calls), size=CALL_DRAWS).astype(float)
        drawn = replace(self.scorer, shrinks=False) if calls < _FEW_CALLS else self.scorer
        return drawn.shares(replace(played, weights=weights))[0]


def drawn_world(setting: TableSetting, rows: Mapping[str, Sequence[Episode]], n: int, number: int) -> tuple[World, dict[str, Shares]]:
    """World ``number`` for rows of n dialogues, and the shares of these rows in it; runs in worker processes."""
    rng = np.random.default_rng([setting.scorer.seed, number])
    with using(setting.own_parts.objectives):
        scorer = _drawn(setting, rng)
        found = World(number, scorer, _humans(setting, scorer, setting.row.drawn(rng), n, rng)[0])
        return found, {name: found.shares(episodes) for name, episodes in rows.items()}


def world(setting: TableSetting, rows: Mapping[str, Sequence[Episode]], n: int, number: int) -> dict[str, Shares]:
    """Shares of every row and of "humans" in one world, ``[CALL_DRAWS]`` each."""
    found, shares = drawn_world(setting, rows, n, number)
    return shares | {"humans": found.humans}


def _drawn(setting: TableSetting, rng: np.random.Generator) -> Scorer:
    """The scorer fitted to a bootstrap sample of people."""
    own = setting.own_parts
    base, people, others = setting.scorer, setting.judged_by.drawn(rng), setting.others.drawn(rng)
    space = Space.of(people.values)
    judge = train(people.values, people.persons, setting.negatives, int(rng.integers(2**31)), own.judge)
    if setting.profiled:
        cells = base.cells.with_masses(people.values)
    else:
        cells = tessellate(people.values, setting.cell_count, int(rng.integers(2**31)), descriptors=own.descriptors)
    return replace(
        base, judge=judge, cells=cells, space=space, people=people.values, others=others.values, agreement=_agreement(base.agreement, rng),
        _levels={},
    )  # fmt: skip


def _agreement(known: Agreement | None, rng: np.random.Generator) -> Agreement | None:
    """Draw people's consistency from its error distribution."""
    if known is None:
        return None
    value = float(np.clip(rng.normal(known.value, known.se), max(known.low, 0.01), known.high))
    return known.model_copy(update={"value": value})


def _humans(setting: TableSetting, scorer: Scorer, people: People, n: int, rng: np.random.Generator) -> tuple[Shares, Shares]:
    """Shares and raw values of draws of n dialogues of these people, ``[CALL_DRAWS]`` each.

    Objectives of turns are not measured, since reference data has none; nor is consistency if few people have two dialogues.
    """
    episodes = [Episode(PlanItem(str(row), 0, 0), "completed", fingerprint=tuple(values)) for row, values in enumerate(people.values)]
    weights = rng.multinomial(n, np.full(len(episodes), 1 / len(episodes)), size=CALL_DRAWS).astype(float)
    found, raw = scorer.shares(replace(Played.of(scorer.judged(episodes), scorer.worst, weights), planned=n))
    untold = [one.name for one in objectives() if one.reads == "turns" or one.needs == "persona"]
    found, raw = ({name: values for name, values in part.items() if name not in (*untold, SCORE)} for part in (found, raw))
    for one in objectives():
        level = one.level(scorer, n) if one.needs == "persona" and scorer.agreement is not None else None
        if level is not None and setting.row_is_retested:
            raw[one.name] = np.full(CALL_DRAWS, people.retest(scorer.varying).mean)
            found[one.name] = one.share(raw[one.name], level, None)
    if found.keys() >= set(steering()):
        found[SCORE] = raw[SCORE] = harmonic(found)
    return found, raw


def interval(value: float, draws: Floats, calls: int) -> tuple[float, float]:
    """95 % interval of a value from its draws.

    Percentiles of the centered draws are used, since judges of resampled people are biased. The interval is widened for small samples:
    by ``sqrt(n / (n - 1))`` for n calls (Davison & Hinkley 1997, 2.3) and for n worlds, and by Student's factor in place of the normal
    one for the ``len(draws) / CALL_DRAWS`` worlds. It always contains the value, even if outlying draws shift their mean.
    """
    worlds = len(draws) // CALL_DRAWS
    wider = prod((units / (units - 1)) ** 0.5 if units > 1 else 1.0 for units in (calls, worlds))
    wider *= student_factor(worlds - 1, LEVEL) / student_factor(10**6, LEVEL) if worlds > 1 else 1.0
    low, high = np.quantile(draws - draws.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * wider
    return value + min(float(low), 0.0), value + max(float(high), 0.0)


def joined(worlds: Sequence[Mapping[str, Shares]]) -> dict[str, Shares]:
    """Concatenate the draws of all worlds by row and objective, ``[B]`` each."""
    return {row: chained([one[row] for one in worlds]) for row in worlds[0]}


def chained(worlds: Sequence[Shares]) -> Shares:
    """Concatenate one row's draws of all worlds by objective, ``[B]`` each."""
    return {name: np.concatenate([one[name] for one in worlds]) for name in worlds[0]}


FOLDS, TREES, LEAF = 5, 100, 3
_DRAWS = 200
_NO_OCCASION = -1.0  # stands for a missing share, so that trees can split it off
_LEAST = 10  # half the least number of dialogues for an audit


@dataclass(frozen=True)
class Sample:
    """Input of the auditor: features ``values[n, d]`` and the owner of each dialogue (a person or a ``generate`` call)."""

    values: Floats
    owners: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether there are enough dialogues for an audit."""
        return len(self.owners) >= 2 * _LEAST

    def at_most(self, n: int, seed: int) -> Sample:
        """A random subsample of n dialogues, or all if there are no more."""
        if len(self.owners) <= n:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.owners))[:n])
        return Sample(self.values[rows], tuple(self.owners[row] for row in rows))


def seen(habits: Floats) -> Floats:
    """Typing habits with missing values replaced by a number."""
    return np.nan_to_num(habits, nan=_NO_OCCASION)


@dataclass(frozen=True)
class Audit:
    """Work item: one row of the final table against held-out people."""

    people: Sample
    row: Sample
    seed: int


def audited(work: Audit) -> tuple[float, float, float]:
    """Run ``tell_apart`` in a worker process."""
    return tell_apart(work.people, work.row, work.seed)


def tell_apart(people: Sample, row: Sample, seed: int = 0) -> tuple[float, float, float]:
    """AUC of separating ``row`` from ``people``, with its 95 % bootstrap interval over owners: ``(auc, low, high)``.

    Both are subsampled to equal size. All dialogues of an owner are in the same fold.
    """
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    n = min(len(people.owners), len(row.owners))
    people, row = people.at_most(n, seed), row.at_most(n, seed)
    values = np.vstack([people.values, row.values])
    truth = np.r_[np.ones(n), np.zeros(n)]
    groups = np.array([f"person {who}" for who in people.owners] + [f"call {who}" for who in row.owners])
    scores = np.empty(2 * n)
    for fit, held in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, truth, groups):
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=seed).fit(values[fit], truth[fit])
        scores[held] = forest.predict_proba(values[held])[:, 1]
    above = (scores[:n, None] > scores[None, n:]) + 0.5 * (scores[:n, None] == scores[None, n:])
    ours, theirs = _owner_weights(people.owners, row.owners, seed)
    draws = np.einsum("bi,ij,bj->b", ours, above, theirs) / (ours.sum(axis=1) * theirs.sum(axis=1))
    auc = float(above.mean())
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    return auc, max(0.0, auc + float(low)), min(1.0, auc + float(high))


def _owner_weights(people: Sequence[str], row: Sequence[str], seed: int) -> tuple[Floats, Floats]:
    """Bootstrap weights of the dialogues of both sides, ``[draws, n]`` each, with owners drawn as a whole."""
    rng = np.random.default_rng(seed)
    found = []
    for owners in (people, row):
        _, number = np.unique(owners, return_inverse=True)
        size = int(number.max()) + 1
        found.append(rng.multinomial(size, np.full(size, 1 / size), size=_DRAWS).astype(float)[:, number])
    return found[0], found[1]

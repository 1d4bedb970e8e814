"""Intervals that hold for other people and other ``generate`` calls: of the final table, not of the search.

People and calls are drawn together. A *world* is one draw of people: persons are drawn with replacement, the judge is trained on them anew,
cells, space and what people get are made anew, and people's consistency is drawn from its error. In each world calls are drawn
``CALL_DRAWS`` times; all rows meet the same worlds and, as they played the same plan, the same calls, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personaevo.judge.discriminator import Judge, Negatives, train
from personaevo.judge.objectives import SCORE, harmonic, objectives, steering, using
from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.judge.scorer import Scorer
from personaevo.measure.agreement import Agreement, retest
from personaevo.measure.cells import Descriptors, tessellate
from personaevo.measure.energy import Space
from personaevo.measure.stats import student_factor
from personaevo.records import Episode, Floats, PlanItem
from personaevo.shipping import Carried

CALL_DRAWS = 50  # in each world
LEVEL = 0.95
_FEW_CALLS = 8  # of fewer than these the jackknife's error is hardly known: consistency that is shrunk to 0 has no spread to be seen
_TWICE = 10  # people with two dialogues, at least, that consistency is measured on
Shares = dict[str, Floats]


@dataclass(frozen=True)
class People:
    """Fingerprints ``values[n, d]`` and who each is of."""

    values: Floats
    persons: tuple[str, ...]

    def drawn(self, rng: np.random.Generator) -> People:
        """As many persons drawn with replacement, each with all of their dialogues; one drawn twice stays one person."""
        names = sorted(set(self.persons))
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        count = dict(zip(names, times.tolist(), strict=True))
        rows = np.repeat(np.arange(len(self.persons)), [count[who] for who in self.persons])
        return People(self.values[rows], tuple(self.persons[row] for row in rows))


@dataclass(frozen=True)
class Own:
    """Parts of one's own: a judge, descriptors and objectives."""

    judge: Judge | None = None
    descriptors: Descriptors | None = None
    objectives: tuple[Objective, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What a table is made with: the scorer of the held-out people, who they are, the negatives of its judge, and two groups of other
    people: those who set what people get (``others``), and those who are the row "humans" (``row``). ``own`` carries an ``Own``."""

    scorer: Scorer
    judged_by: People
    others: People
    row: People
    negatives: Mapping[str, Negatives]
    cell_count: int
    profiled: bool = False
    own: Carried | None = None


def point(setting: Setting, rows: Mapping[str, Sequence[Episode]], n: int) -> tuple[dict[str, Shares], dict[str, Shares]]:
    """Shares and raw values of every row as they are, ``[1]`` each; "humans" among the rows."""
    found = {name: point_of(setting.scorer, episodes) for name, episodes in rows.items()} | {"humans": point_of_people(setting, n)}
    return {name: shares for name, (shares, _) in found.items()}, {name: raw for name, (_, raw) in found.items()}


def point_of(scorer: Scorer, episodes: Sequence[Episode]) -> tuple[Shares, Shares]:
    """Shares and raw values of one row, ``[1]`` each."""
    played = Played.of(scorer.judged(episodes), scorer.worst)
    return scorer.shares(played.with_weights(played.weights[:1]))


def point_of_people(setting: Setting, n: int) -> tuple[Shares, Shares]:
    """What draws of n dialogues of people get on average, ``[1]`` each."""
    shares, raw = _humans(setting.scorer, setting.row, n, np.random.default_rng(setting.scorer.seed))
    return _mean(shares), _mean(raw)


def _mean(found: Shares) -> Shares:
    return {name: values.mean(keepdims=True) for name, values in found.items()}


@dataclass(frozen=True)
class World:
    """One draw of people: the scorer that they make, and what draws of n of them get themselves (``[CALL_DRAWS]`` each)."""

    number: int
    scorer: Scorer
    humans: Shares

    def shares(self, episodes: Sequence[Episode]) -> Shares:
        """The shares of a row in this world, ``[CALL_DRAWS]`` each; rows with equally many calls meet the same draws of calls."""
        played = Played.of(self.scorer.judged(episodes), self.scorer.worst)
        calls = played.weights.shape[1]
        rng = np.random.default_rng([self.scorer.seed, self.number, calls])
        weights = rng.multinomial(calls, np.full(calls, 1 / calls), size=CALL_DRAWS).astype(float)
        drawn = replace(self.scorer, shrinks=False) if calls < _FEW_CALLS else self.scorer
        return drawn.shares(played.with_weights(weights))[0]


def drawn_world(setting: Setting, rows: Mapping[str, Sequence[Episode]], n: int, number: int) -> tuple[World, dict[str, Shares]]:
    """World ``number``, for rows of n dialogues, and the shares of these rows in it. What worker processes do."""
    rng = np.random.default_rng([setting.scorer.seed, number])
    with using(_own(setting).objectives):
        scorer = _drawn(setting, rng)
        found = World(number, scorer, _humans(scorer, setting.row.drawn(rng), n, rng)[0])
        return found, {name: found.shares(episodes) for name, episodes in rows.items()}


def world(setting: Setting, rows: Mapping[str, Sequence[Episode]], n: int, number: int) -> dict[str, Shares]:
    """The shares of every row in one world, ``[CALL_DRAWS]`` each; "humans" among the rows."""
    found, shares = drawn_world(setting, rows, n, number)
    return shares | {"humans": found.humans}


def _drawn(setting: Setting, rng: np.random.Generator) -> Scorer:
    """The scorer of another draw of people."""
    own = _own(setting)
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


def _own(setting: Setting) -> Own:
    found: Own = Own() if setting.own is None else setting.own.part
    return found


def _agreement(known: Agreement | None, rng: np.random.Generator) -> Agreement | None:
    """How consistent people may be, by its error."""
    if known is None:
        return None
    value = float(np.clip(rng.normal(known.value, known.se), max(known.low, 0.01), known.high))
    return known.model_copy(update={"value": value})


def _humans(scorer: Scorer, people: People, n: int, rng: np.random.Generator) -> tuple[Shares, Shares]:
    """What draws of n dialogues of these people get, as a program's would, ``[CALL_DRAWS]``. What is read from turns is not measured, since
    references have none; nor is consistency where the corpus has hardly anybody twice."""
    episodes = [Episode(PlanItem(str(row), 0, 0), "completed", fingerprint=tuple(values)) for row, values in enumerate(people.values)]
    weights = rng.multinomial(n, np.full(len(episodes), 1 / len(episodes)), size=CALL_DRAWS).astype(float)
    found, raw = scorer.shares(replace(Played.of(scorer.judged(episodes), scorer.worst, weights), planned=n))
    untold = [one.name for one in objectives() if one.reads == "turns" or one.needs == "persona"]
    found, raw = ({name: values for name, values in part.items() if name not in (*untold, SCORE)} for part in (found, raw))
    for one in objectives():
        level = one.level(scorer, n) if one.needs == "persona" and scorer.agreement is not None else None
        measured = retest(people.values, people.persons, scorer.varying) if level is not None else None
        if level is not None and measured is not None and measured.people >= _TWICE:
            raw[one.name] = np.full(CALL_DRAWS, measured.mean)
            found[one.name] = one.share(raw[one.name], level, None)
    if found.keys() >= set(steering()):
        found[SCORE] = raw[SCORE] = harmonic(found)
    return found, raw


def interval(value: float, draws: Floats, calls: int) -> tuple[float, float]:
    """The 95 % interval of a value from its draws (percentiles about the value, since a judge of people drawn twice is not the same on
    average), widened for what few units hide: by ``sqrt(n / (n - 1))`` for n calls (Davison & Hinkley 1997, 2.3) and for n worlds, and
    by Student's factor for n - 1 in place of the normal one for the worlds, of which there are ``len(draws) / CALL_DRAWS``. It holds the
    value, also where a few draws far out pull their mean."""
    worlds = len(draws) // CALL_DRAWS
    wider = _few(calls) * _few(worlds) * (student_factor(worlds - 1, LEVEL) / student_factor(10**6, LEVEL) if worlds > 1 else 1.0)
    low, high = np.quantile(draws - draws.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * wider
    return value + min(float(low), 0.0), value + max(float(high), 0.0)


def _few(units: int) -> float:
    return (units / (units - 1)) ** 0.5 if units > 1 else 1.0


def joined(worlds: Sequence[Mapping[str, Shares]]) -> dict[str, Shares]:
    """The draws of all worlds, row by row and objective by objective, ``[B]`` each."""
    return {row: chained([one[row] for one in worlds]) for row in worlds[0]}


def chained(worlds: Sequence[Shares]) -> Shares:
    """One row's draws of all worlds, objective by objective, ``[B]`` each."""
    return {name: np.concatenate([one[name] for one in worlds]) for name in worlds[0]}

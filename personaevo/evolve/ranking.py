"""Definitions of "above the floor", "best" and "elite", used by engine, inspection and report. The archive's views have the same ones in
SQL (``archive/migrations``: ``standings``, ``elites``), and a test compares them. Also the names of the rows of the final table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from personaevo.judge.objectives import SCORE, harmonic, objectives, steering
from personaevo.records import Evaluation, Floats

_LEAST_ALIKE = 4  # least number of scores for estimating a prior


@dataclass(frozen=True)
class Scored:
    """A possible parent with its evaluation."""

    program_id: str
    evaluation: Evaluation

    @property
    def score(self) -> float:
        """Overall score, 0..1."""
        return self.evaluation.objectives[SCORE].value


def holds_floors(evaluation: Evaluation | None, floors: Mapping[str, float]) -> bool:
    """Whether an evaluation exists and meets every floor; an objective that was not measured meets its floor."""
    if evaluation is None:
        return False
    found, less = evaluation.objectives, {one.name for one in objectives() if one.direction == "less"}
    return all((found[name].value - floor) * (-1 if name in less else 1) >= 0 for name, floor in floors.items() if name in found)


def standing(evaluation: Evaluation, steered: Sequence[str] | None = None) -> float:
    """Value that programs are ordered by: the score or, if that is 0, the smallest share of the objectives that steer (at most 0), so that
    the search has a gradient there. ``steered`` names these objectives (default: those of this version's scoring)."""
    found = evaluation.objectives
    score = found[SCORE].value if SCORE in found else 0.0
    if score > 0:
        return score
    return min((found[name].value for name in steered or steering() if name in found), default=0.0)


def lower_bound(evaluation: Evaluation, steered: Sequence[str] | None = None) -> float:
    """The standing minus one standard error of the score; it defines "best"."""
    error = evaluation.objectives[SCORE].se if SCORE in evaluation.objectives else 0.0
    return standing(evaluation, steered) - error


def which_hold(values: Mapping[str, Floats], measured: Mapping[str, Any], floors: Mapping[str, float]) -> Any:
    """``holds_floors`` for columns of objectives and masks of where they were measured; boolean ``[n]``."""
    less = {one.name for one in objectives() if one.direction == "less"}
    held = np.ones(len(values[SCORE]), dtype=bool)
    for name, floor in floors.items():
        if name in values:
            held &= ~measured[name] | ((values[name] - floor) * (-1 if name in less else 1) >= 0)
    return held


def lower_bounds(values: Mapping[str, Floats], measured: Mapping[str, Any], errors: Floats) -> Floats:
    """``lower_bound`` for columns of objectives, masks of where they were measured, and the score's standard errors; ``[n]``."""
    shares = np.array([np.where(measured[name], values[name], np.inf) for name in steering()])
    worst = shares.min(axis=0)
    score = np.where(measured[SCORE], values[SCORE], 0.0)
    bounds: Floats = np.where(score > 0, score, np.where(np.isinf(worst), 0.0, worst)) - np.where(measured[SCORE], errors, 0.0)
    return bounds


Item = TypeVar("Item")


def ranked(items: Iterable[tuple[Evaluation, Item]], steered: Sequence[str] | None = None) -> list[Item]:
    """Items sorted by the lower bound of their evaluations, best first; the earlier one first on ties."""
    return [item for _, item in sorted(items, key=lambda pair: -lower_bound(pair[0], steered))]


def best_of(population: Sequence[Scored]) -> Scored:
    """The best program overall."""
    return max(population, key=lambda one: lower_bound(one.evaluation))


def elites(population: Iterable[Scored]) -> dict[int, Scored]:
    """For each cell the program with the best lower confidence bound (the earlier one on ties)."""
    best: dict[int, tuple[float, Scored]] = {}
    for scored in population:
        for cell in scored.evaluation.cells:
            if cell.score > 0 and (cell.cell not in best or cell.low > best[cell.cell][0]):
                best[cell.cell] = (cell.low, scored)
    return {cell: scored for cell, (_, scored) in sorted(best.items())}


def expected(value: float, se: float, others: Sequence[float], alike_share: float = 0.5) -> float:
    """Expected score on fresh dialogues: the score shrunk toward the mean of a comparison group (empirical Bayes; Efron & Morris 1975),
    since the best of many noisy scores is biased upward.

    ``others`` are the scores that it was selected from, including its own. The comparison group is the best ``alike_share`` of them. With
    fewer than four scores the value is returned unchanged.
    """
    alike = sorted(others)[len(others) - math.ceil(len(others) * alike_share) :]
    if len(others) < _LEAST_ALIKE:
        return value
    between = max(0.0, float(np.var(alike, ddof=1)) - se**2)
    share = between / (between + se**2) if se > 0 else 1.0
    return float(np.mean(alike)) + share * (value - float(np.mean(alike)))


def corrected(prior: Sequence[Evaluation], seen: Sequence[Evaluation]) -> list[float]:
    """Estimated scores of programs from evaluations on a surrogate (``prior``) and on few dialogues of the model (``seen``).

    Each objective that steers starts at the surrogate's value and moves toward the observed one by the share of the differences' variance
    that is not noise (empirical Bayes; Efron & Morris 1975). The noise is the largest standard error in ``seen``, since single ones can be
    0 by chance. A difference common to all is ignored, because it does not affect the order. With fewer than four programs the
    surrogate's values are used.
    """
    found = {name: _corrected(prior, seen, name) for name in steering()}
    return [float(score) for score in harmonic(found)]


def _corrected(prior: Sequence[Evaluation], seen: Sequence[Evaluation], name: str) -> Floats:
    """Estimates of one objective (see ``corrected``)."""
    before = np.array([one.objectives[name].value if name in one.objectives else 0.0 for one in prior])
    after = [one.objectives.get(name) for one in seen]
    departures = np.array([0.0 if one is None else one.value for one in after]) - before
    spread = float(np.var(departures, ddof=1)) if len(departures) >= _LEAST_ALIKE else 0.0
    noise = max((one.se**2 for one in after if one is not None), default=0.0)
    share = max(0.0, spread - noise) / spread if spread > 0 else 0.0
    return np.asarray(before + share * (departures - departures.mean()))


AUDITOR = "auditor"
AUDITOR_SEES = "auditor_sees"  # setting of a run: input of the auditor in addition to fingerprint and dynamics
PEOPLE, SEED, BEST = "humans", "seed_program", "evolved"
FREE = "persona_free"

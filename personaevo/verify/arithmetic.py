"""Checks that the numbers of an evaluation are consistent under the scoring that made them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from personaevo.archive import Finding
from personaevo.judge.objectives import SCORE, SCORING, harmonic, scoring_of, steering
from personaevo.records import Evaluation, Run, Scoring
from personaevo.verify.report import TOLERANCE, Report, shown

FIRST = 1  # the first scoring version; its score was a mean


def score_from(run: Run, scoring: Scoring, shares: Mapping[str, float]) -> float | None:
    """Compute the score from an evaluation's objectives by the scoring of the run; None where that is not possible."""
    made_by = scoring_of(run.settings)
    steered = [name for name, rule in scoring.rules.items() if rule[0] == "steers"]
    if not steered or not shares.keys() >= set(steered):
        return None
    if made_by == FIRST:
        return math.fsum(min(1.0, shares[name]) for name in steered) / len(steered)
    known = made_by == SCORING and set(steered) == set(steering())
    return float(harmonic({name: np.array([shares[name]]) for name in steered})[0]) if known else None


def check_consistency(run: Run, scoring: Scoring, evaluation: Evaluation, where: str, report: Report) -> None:
    """Check that an evaluation's numbers agree with one another, also where they cannot be recomputed."""
    found = evaluation.objectives
    expected = score_from(run, scoring, {name: one.value for name, one in found.items()})
    if expected is not None and SCORE in found:
        report.compare("score", f"{where}, {SCORE} (from its objectives)", found[SCORE].value, expected)
    if scoring_of(run.settings) == FIRST:
        report.findings += [
            Finding("score", f"{where}, {name[:80]}", shown(one.value), "0 to 1: the first scoring clipped")
            for name, one in found.items() if not -TOLERANCE <= one.value <= 1 + TOLERANCE
        ]  # fmt: skip

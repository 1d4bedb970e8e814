"""Consistency: whether two dialogues of one persona agree as much as two of one person, neither less nor more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.judge.played import Played
from personaevo.measure.agreement import jackknife_se, shrunken, weighted
from personaevo.records import Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

# --- consistency


def consistency_raw(played: Played, scorer: Scorer) -> Floats:
    """Intraclass correlation over two dialogues of each persona: mean over the features that vary among people, shrunk toward 0 by its
    jackknife error over ``generate`` calls, so that a population without differences gets 0 instead of noise."""
    pairs = played.pairs
    if not len(pairs):
        return np.zeros(len(played.weights))
    values, calls = played.values[pairs], played.call[pairs[:, 0]]
    found = weighted(values, calls, played.weights, scorer.varying)
    if not scorer.shrinks:
        return found
    error = jackknife_se(weighted(values, calls, 1.0 - np.eye(played.weights.shape[1]), scorer.varying))
    return np.asarray(shrunken(found, error))


def consistency_share(found: Floats, level: Level, played: Played | None) -> Floats:
    """``max(0, min(C / C_people, C_people / C))`` times the share of personas with two completed dialogues; too much consistency lowers the
    share as too little does."""
    positive = np.maximum(found, 1e-9)
    near: Floats = np.maximum(0.0, np.minimum(found / level.people, level.people / positive))
    return near if played is None else near * played.paired_share


CONSISTENCY = Objective(
    name="consistency", meaning="two dialogues of one persona agree as much as two of one person: 1 is as much, too much lowers it too",
    needs="persona", reads="fingerprints", role="steers", order=3, raw=consistency_raw, share=consistency_share,
    level=lambda scorer, n: None if scorer.agreement is None else Level(0.0, scorer.agreement.value),
)  # fmt: skip

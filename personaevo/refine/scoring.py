"""Scores of role-plays against the person's behavior, acceptance of updates, and paired comparison.

The primary measure depends on the kind of item:

- dialogues: ``energy``, the energy score of the role-plays against the person's dialogue (lower is better), on the scale of ``Scale``; it
  is proper, so the person's true distribution has the best expected score
- single texts: ``chrf``, the mean over role-plays
- sessions of actions: ``weighted``, points earned of points possible, weighted by difficulty

An unusable answer earns nothing; it is never left out. Secondary measures are reported and decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure import scores
from personaevo.records import Floats
from personaevo.refine import features, measures
from personaevo.refine.actions import ActionPair, score_actions
from personaevo.refine.behavior import Action, Item
from personaevo.refine.population import FeatureSpace
from personaevo.refine.roles import Response, RolePlay

PRIMARY: Mapping[str, tuple[str, bool]] = {"dialogue": ("energy", False), "text": ("chrf", True), "actions": ("weighted", True)}
TextMeasure = Callable[[str, str], measures.Measured]
OPTIONAL: Mapping[str, TextMeasure] = {"cosine": measures.embedding_cosine, "bert_score": measures.bert_score}
_ACTION_SCORES = ("exact", "type_accuracy", "macro_f1", "outcome_f1")


def kind_of(*parts: Sequence[Item]) -> str:
    """The kind of most items; of equally many, dialogues before texts before sessions."""
    counts: Counter[str] = Counter(item.kind for items in parts for item in items)
    return max(PRIMARY, key=lambda kind: counts[kind])


@dataclass(frozen=True)
class ScoreSheet:
    """The scores of one profile's role-plays on some items.

    Attributes:
        names: ids of the items.
        played: for each item a number per role-play: for dialogues its distance to the person's dialogue, else the score.
        pairwise: for dialogues the distances ``[k, k]`` between the role-plays of each item.
        rows: feature rows ``[n, d]`` of all role-plays.
    """

    measure: str
    higher: bool
    names: tuple[str, ...]
    played: tuple[Floats, ...]
    pairwise: tuple[Floats, ...] = ()
    rows: Floats | None = None

    def values(self) -> list[float | None]:
        """The primary measure of each item; None if it could not be measured."""
        half = {key: apart.sum() / max(apart.size - len(apart), 1) / 2 for key, apart in self._tables().items()}
        places = map(id, self.pairwise) if self.pairwise else (0 for _ in self.played)
        return [float(row.mean() - half.get(place, 0.0)) if len(row) else None for row, place in zip(self.played, places, strict=True)]

    @property
    def value(self) -> float | None:
        """Mean over the items that have one."""
        known = [value for value in self.values() if value is not None]
        return float(np.mean(known)) if known else None

    def resampled(self, numbers: Floats) -> Floats:
        """Bootstrap of the mean over items: a value for each draw.

        ``numbers[draws, k]`` (0..1) select role-plays with replacement; one draw selects the same role-plays for all items.
        """
        rows = [row for row in self.played if len(row)]
        counts = {size: _counts(numbers, size) for size in {len(row) for row in rows}}
        mean: Floats = np.mean([counts[len(row)] @ row / len(row) for row in rows], axis=0)
        if not self.pairwise:
            return mean
        spreads = {key: scores.spreads(apart, counts[len(apart)]) for key, apart in self._tables().items() if len(apart)}
        spread: Floats = np.mean([spreads[id(apart)] for apart in self.pairwise if len(apart)], axis=0)
        return mean - spread / 2

    def _tables(self) -> dict[int, Floats]:
        """The distinct distance tables by identity: items with the same role-plays share one."""
        return {id(apart): apart for apart in self.pairwise}


def _counts(numbers: Floats, size: int) -> Floats:
    """How often each of ``size`` role-plays is drawn, ``[draws, size]``."""
    drawn = (numbers[:, :size] * size).astype(int)
    places = np.arange(len(drawn))[:, None] * size + drawn
    counts: Floats = np.bincount(places.ravel(), minlength=len(drawn) * size).reshape(len(drawn), size).astype(float)
    return counts


def score_items(kind: str, items: Sequence[Item], role_plays: Sequence[RolePlay], space: FeatureSpace | None) -> ScoreSheet:
    """Score role-plays on the items of one kind; ``space`` is required for dialogues."""
    chosen = [item for item in items if item.kind == kind]
    measure, higher = PRIMARY[kind]
    plays = {item.id: [one for one in role_plays if one.item_id == item.id] for item in chosen}
    names = tuple(item.id for item in chosen)
    if kind != "dialogue":
        earned = tuple(np.array([_earned(kind, one.responses) for one in plays[item.id]]) for item in chosen)
        return ScoreSheet(measure, higher, names, earned)
    assert space is not None
    found = _DistanceCache(space)
    pairs = [found.item(plays[item.id], space.of(item)) for item in chosen]
    rows = fingerprint_rows([one for some in plays.values() for one in some])
    return ScoreSheet(measure, higher, names, tuple(far for far, _ in pairs), tuple(apart for _, apart in pairs), rows)


def fingerprint_rows(role_plays: Sequence[RolePlay]) -> Floats | None:
    """The distinct fingerprints of role-plays, ``[n, d]``; None if there is none."""
    rows = {id(one.fingerprint): one.fingerprint for one in role_plays if one.fingerprint is not None}
    return np.array(list(rows.values())) if rows else None


def score_groups(rows: Floats | None, groups: Sequence[Floats], space: FeatureSpace) -> ScoreSheet:
    """Score role-plays ``rows[k, d]`` against groups of points ``[m, k]``: one entry for each group, the mean over it."""
    measure, higher = PRIMARY["dialogue"]
    points = space.points(rows if rows is not None else np.empty((0, len(features.names()))))
    apart = scores.distances(points, points)
    far = tuple(scores.distances(points, group).mean(axis=1) for group in groups)
    return ScoreSheet(measure, higher, tuple(map(str, range(len(groups)))), far, (apart,) * len(groups), rows)


class _DistanceCache:
    """Distances of role-plays; those between the same role-plays are computed once."""

    def __init__(self, space: FeatureSpace) -> None:
        self._space = space
        self._known: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    def item(self, plays: Sequence[RolePlay], person: Floats | None) -> tuple[Floats, Floats]:
        """Distances of role-plays to the person's row, and between the role-plays."""
        prints = [one.fingerprint for one in plays if one.fingerprint is not None]
        if person is None or not prints:
            return np.empty(0), np.empty((0, 0))
        key = tuple(map(id, prints))
        if key not in self._known:
            points = self._space.points(np.array(prints))
            self._known[key] = points, scores.distances(points, points)
        points, apart = self._known[key]
        return scores.distances(points, self._space.points(person[None]))[:, 0], apart


def _earned(kind: str, responses: Sequence[Response]) -> float:
    if kind == "text":
        return _mean_measure(responses, measures.chrf) or 0.0
    return score_actions([_action_pairs(responses)]).weighted or 0.0


def _action_pairs(responses: Sequence[Response]) -> list[ActionPair]:
    pairs = [(one.context.truth, one.did) for one in responses]
    return [(truth, did if isinstance(did, Action) else None) for truth, did in pairs if isinstance(truth, Action)]


def _mean_measure(responses: Sequence[Response], measure: TextMeasure) -> float | None:
    """Mean of a text measure over the answers.

    An unusable or wordless answer scores 0. Answers on which the measure fails do not count; if none is left the mean is None.
    """
    found: list[float | None] = []
    for one in responses:
        said = isinstance(one.did, str) and isinstance(one.context.truth, str) and bool(measures.plain_words(one.did))
        found.append(measure(str(one.did), str(one.context.truth)).value if said else 0.0)
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def secondary_measures(kind: str, role_plays: Sequence[RolePlay], optional: Sequence[str] = ()) -> dict[str, float | None]:
    """Secondary measures over all role-plays, higher is better.

    For texts and turns ROUGE-L, chrF and the requested ones of ``OPTIONAL``; for actions the scores of ``ActionScores``; and the share
    of usable answers. Empty if whole dialogues were played.
    """
    responses = [one for role_play in role_plays for one in role_play.responses]
    if not responses:
        return {}
    usable = sum(one.did is not None for one in responses) / len(responses)
    if kind == "actions":
        found = score_actions([_action_pairs(role_play.responses) for role_play in role_plays])
        recall = {f"recall of {one.name}": one.recall for one in found.types if one.recall is not None}
        return {**{name: getattr(found, name) for name in _ACTION_SCORES}, **recall, "usable": usable}
    taken = {"rouge_l": measures.rouge_l, "chrf": measures.chrf, **{name: OPTIONAL[name] for name in optional}}
    return {**{name: _mean_measure(responses, measure) for name, measure in taken.items()}, "usable": usable}


def distance_measures(points: Floats, rows: Floats, space: FeatureSpace) -> dict[str, float | None]:
    """Secondary measures of whole dialogues, lower is better.

    The distance of the person's ``rows[m, d]`` to the mean of the simulated ``points[k, d]`` (not proper: always giving the average
    minimizes it), and both measures on the nineteen behaviors alone.
    """
    if not len(rows) or not len(points):
        return {}
    truths, scale = space.points(rows), space.population.scale
    behaviors, true_behaviors = scale.behaviors(points), scale.behaviors(truths)
    return {
        "distance": float(scores.distances(points.mean(axis=0, keepdims=True), truths).mean()),
        "energy_of_19": float(scores.energy_scores(behaviors, true_behaviors).mean()),
        "distance_of_19": float(scores.distances(behaviors.mean(axis=0, keepdims=True), true_behaviors).mean()),
    }

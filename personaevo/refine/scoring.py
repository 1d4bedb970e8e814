"""How near role-plays of one profile come to what the person did, item by item.

What decides (the primary measure) depends on the behavior:

- dialogues: ``energy``, the energy score of the role-plays against what the person did (lower is better), on the scale of ``scale``: best
  for the person's true distribution, and not for its middle
- single texts: ``chrf``, the mean over role-plays
- sessions of actions: ``weighted``, what was earned of what could be, by difficulty

An answer that cannot be used earns nothing; it is never left out. Other measures stand beside the primary one and decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure import scores
from personaevo.records import Floats
from personaevo.refine import actions, features, measures
from personaevo.refine.behavior import Action, Item
from personaevo.refine.population import Yardstick
from personaevo.refine.roles import Performance, Response
from personaevo.refine.words import plain_words

PRIMARY: Mapping[str, tuple[str, bool]] = {"dialogue": ("energy", False), "text": ("chrf", True), "actions": ("weighted", True)}
TextMeasure = Callable[[str, str], measures.Measured]
OPTIONAL: Mapping[str, TextMeasure] = {"cosine": measures.embedding_cosine, "bert_score": measures.bert_score}
_ACTION_SCORES = ("exact", "type_accuracy", "macro_f1", "outcome_f1")


def kind_of(*parts: Sequence[Item]) -> str:
    """The kind of item that decides: that of most items, of equally many dialogues before texts before sessions."""
    counts: Counter[str] = Counter(item.kind for items in parts for item in items)
    return max(PRIMARY, key=lambda kind: counts[kind])


@dataclass(frozen=True)
class Sheet:
    """The role-plays of one profile against some items.

    ``played`` has for each item (``names``) a figure of each role-play: for dialogues its distance from what the person did, else what it
    earned. ``apart`` are, for dialogues, the role-plays' distances ``[k, k]`` from one another, and ``rows`` ``[n, d]`` what all of them
    showed.
    """

    measure: str
    higher: bool
    names: tuple[str, ...]
    played: tuple[Floats, ...]
    apart: tuple[Floats, ...] = ()
    rows: Floats | None = None

    def values(self) -> list[float | None]:
        """The primary measure of each item; None where there is nothing to measure."""
        half = {key: apart.sum() / max(apart.size - len(apart), 1) / 2 for key, apart in self._apart().items()}
        places = map(id, self.apart) if self.apart else (0 for _ in self.played)
        return [float(row.mean() - half.get(place, 0.0)) if len(row) else None for row, place in zip(self.played, places, strict=True)]

    @property
    def value(self) -> float | None:
        """Its mean over the items that have one."""
        known = [value for value in self.values() if value is not None]
        return float(np.mean(known)) if known else None

    def resampled(self, numbers: Floats) -> Floats:
        """The mean over the items if the role-plays were others of the same kind: a value for each of ``numbers[draws, k]`` (0..1), which
        say which ones are drawn with replacement. One draw takes the same role-plays for all items."""
        rows = [row for row in self.played if len(row)]
        counts = {size: _counts(numbers, size) for size in {len(row) for row in rows}}
        mean: Floats = np.mean([counts[len(row)] @ row / len(row) for row in rows], axis=0)
        if not self.apart:
            return mean
        spreads = {key: scores.spreads(apart, counts[len(apart)]) for key, apart in self._apart().items() if len(apart)}
        spread: Floats = np.mean([spreads[id(apart)] for apart in self.apart if len(apart)], axis=0)
        return mean - spread / 2

    def _apart(self) -> dict[int, Floats]:
        """The different tables of distances: items that were played by the same role-plays share one."""
        return {id(apart): apart for apart in self.apart}


def _counts(numbers: Floats, size: int) -> Floats:
    """How often each of so many role-plays is drawn, ``[draws, size]``."""
    drawn = (numbers[:, :size] * size).astype(int)
    places = np.arange(len(drawn))[:, None] * size + drawn
    counts: Floats = np.bincount(places.ravel(), minlength=len(drawn) * size).reshape(len(drawn), size).astype(float)
    return counts


def sheet(kind: str, items: Sequence[Item], performances: Sequence[Performance], yardstick: Yardstick | None) -> Sheet:
    """The sheet of the items of one kind; ``yardstick`` is needed for dialogues."""
    chosen = [item for item in items if item.kind == kind]
    measure, higher = PRIMARY[kind]
    plays = {item.id: [one for one in performances if one.item_id == item.id] for item in chosen}
    names = tuple(item.id for item in chosen)
    if kind != "dialogue":
        earned = _text_earned if kind == "text" else _action_earned
        return Sheet(measure, higher, names, tuple(np.array([earned(one.responses) for one in plays[item.id]]) for item in chosen))
    assert yardstick is not None
    found = _Compared(yardstick)
    pairs = [found.item(plays[item.id], yardstick.of(item)) for item in chosen]
    rows = rows_of([one for some in plays.values() for one in some])
    return Sheet(measure, higher, names, tuple(far for far, _ in pairs), tuple(apart for _, apart in pairs), rows)


def rows_of(performances: Sequence[Performance]) -> Floats | None:
    """What role-plays showed, ``[n, d]``, each once; None where none showed anything."""
    rows = {id(one.fingerprint): one.fingerprint for one in performances if one.fingerprint is not None}
    return np.array(list(rows.values())) if rows else None


def against(rows: Floats | None, groups: Sequence[Floats], yardstick: Yardstick) -> Sheet:
    """The sheet of role-plays ``rows[k, d]`` against groups of points ``[m, k]``: an entry for each group, the mean over it."""
    measure, higher = PRIMARY["dialogue"]
    points = yardstick.points(rows if rows is not None else np.empty((0, len(features.names()))))
    apart = scores.distances(points, points)
    far = tuple(scores.distances(points, group).mean(axis=1) for group in groups)
    return Sheet(measure, higher, tuple(map(str, range(len(groups)))), far, (apart,) * len(groups), rows)


class _Compared:
    """Distances of role-plays; those of the same ones from one another are found once."""

    def __init__(self, yardstick: Yardstick) -> None:
        self._yardstick = yardstick
        self._known: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    def item(self, plays: Sequence[Performance], person: Floats | None) -> tuple[Floats, Floats]:
        """Of role-plays from the person's row, and from one another."""
        prints = [one.fingerprint for one in plays if one.fingerprint is not None]
        if person is None or not prints:
            return np.empty(0), np.empty((0, 0))
        key = tuple(map(id, prints))
        if key not in self._known:
            points = self._yardstick.points(np.array(prints))
            self._known[key] = points, scores.distances(points, points)
        points, apart = self._known[key]
        return scores.distances(points, self._yardstick.points(person[None]))[:, 0], apart


def _text_earned(responses: Sequence[Response]) -> float:
    return _mean_of(responses, measures.chrf) or 0.0


def _action_earned(responses: Sequence[Response]) -> float:
    return actions.score([_steps(responses)]).weighted or 0.0


def _steps(responses: Sequence[Response]) -> list[actions.Step]:
    pairs = [(one.context.truth, one.did) for one in responses]
    return [(truth, did if isinstance(did, Action) else None) for truth, did in pairs if isinstance(truth, Action)]


def _mean_of(responses: Sequence[Response], measure: TextMeasure) -> float | None:
    """Mean of a text measure over the answers. One that cannot be used, or has no word, earns 0; one that the measure fails on does not
    count, and with none left there is no mean."""
    found: list[float | None] = []
    for one in responses:
        said = isinstance(one.did, str) and isinstance(one.context.truth, str) and bool(plain_words(one.did))
        found.append(measure(str(one.did), str(one.context.truth)).value if said else 0.0)
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def beside(kind: str, performances: Sequence[Performance], optional: Sequence[str] = ()) -> dict[str, float | None]:
    """The other measures over all role-plays, higher is better: of texts and turns ROUGE-L and chrF and those of ``OPTIONAL`` that are
    asked for, of actions the scores of ``actions``, and the share of answers that could be used. Nothing where whole dialogues were
    played."""
    responses = [one for performance in performances for one in performance.responses]
    if not responses:
        return {}
    usable = sum(one.did is not None for one in responses) / len(responses)
    if kind == "actions":
        scores = actions.score([_steps(performance.responses) for performance in performances])
        recall = {f"recall of {one.name}": one.recall for one in scores.types if one.recall is not None}
        return {**{name: getattr(scores, name) for name in _ACTION_SCORES}, **recall, "usable": usable}
    taken = {"rouge_l": measures.rouge_l, "chrf": measures.chrf, **{name: OPTIONAL[name] for name in optional}}
    return {**{name: _mean_of(responses, measure) for name, measure in taken.items()}, "usable": usable}


def distances_beside(points: Floats, rows: Floats, yardstick: Yardstick) -> dict[str, float | None]:
    """The other measures of whole dialogues, lower is better: the distance of the person's ``rows[m, d]`` from the mean of the simulated
    ``points[k, d]``, which is smallest for whoever always does the average; and both measures on the nineteen behaviors alone."""
    if not len(rows) or not len(points):
        return {}
    truths, scale = yardstick.points(rows), yardstick.population.scale
    plain, plain_truths = scale.behaviors(points), scale.behaviors(truths)
    return {
        "distance": float(scores.distances(points.mean(axis=0, keepdims=True), truths).mean()),
        "energy_of_19": float(scores.energy_scores(plain, plain_truths).mean()),
        "distance_of_19": float(scores.distances(plain.mean(axis=0, keepdims=True), plain_truths).mean()),
    }

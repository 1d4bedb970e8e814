"""How near role-plays of one profile come to what the person did, item by item.

What decides (the primary measure) depends on the behavior:

- dialogues: ``distance``, the standardized distance of the person's fingerprint from the mean of the role-plays (lower is better)
- single texts: ``chrf``, the mean over role-plays
- sessions of actions: ``weighted``, what was earned of what could be, by difficulty

An answer that cannot be used earns nothing; it is never left out. Other measures stand beside the primary one and decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.measure.cells import Standard
from personaevo.records import Floats
from personaevo.refine import actions, measures
from personaevo.refine.behavior import Action, Item
from personaevo.refine.population import Yardstick
from personaevo.refine.roles import Performance, Response
from personaevo.refine.words import plain_words

PRIMARY: Mapping[str, tuple[str, bool]] = {"dialogue": ("distance", False), "text": ("chrf", True), "actions": ("weighted", True)}
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

    ``played`` has an entry for each item: standardized differences ``[k, d]`` of each role-play from the person for dialogues, else what
    each role-play earned ``[k, 1]``. ``names`` are the items, ``shown`` the mean fingerprint of all role-plays (None without one).
    """

    measure: str
    higher: bool
    names: tuple[str, ...]
    played: tuple[Floats, ...]
    shown: Floats | None

    def values(self) -> list[float | None]:
        """The primary measure of each item; None where there is nothing to measure."""
        return [float(self._of(rows[None])[0]) if len(rows) else None for rows in self.played]

    @property
    def value(self) -> float | None:
        """Its mean over the items that have one."""
        known = [value for value in self.values() if value is not None]
        return float(np.mean(known)) if known else None

    def resampled(self, rng: np.random.Generator, draws: int) -> Floats:
        """The mean over the items if the role-plays were others of the same kind: ``draws`` values, each from as many role-plays drawn with
        replacement. One draw takes the same role-plays for all items."""
        rows = [one for one in self.played if len(one)]
        numbers = rng.random((draws, max(map(len, rows))))
        found = [self._of(one[(numbers[:, : len(one)] * len(one)).astype(int)]) for one in rows]
        mean: Floats = np.mean(found, axis=0)
        return mean

    def _of(self, drawn: Floats) -> Floats:
        """The measure of ``drawn[n, k, d]``: n values."""
        means = drawn.mean(axis=1)
        values: Floats = means[:, 0] if self.higher else np.linalg.norm(means, axis=1)
        return values


def sheet(kind: str, items: Sequence[Item], performances: Sequence[Performance], yardstick: Yardstick | None) -> Sheet:
    """The sheet of the items of one kind; ``yardstick`` is needed for dialogues."""
    chosen = [item for item in items if item.kind == kind]
    measure, higher = PRIMARY[kind]
    plays = {item.id: [one for one in performances if one.item_id == item.id] for item in chosen}
    if kind == "dialogue":
        assert yardstick is not None
        rows = [_differences(plays[item.id], yardstick.of(item), yardstick.standard) for item in chosen]
    else:
        earned = _text_earned if kind == "text" else _action_earned
        rows = [np.array([[earned(one.responses)] for one in plays[item.id]]).reshape(-1, 1) for item in chosen]
    prints = [one.fingerprint for some in plays.values() for one in some if one.fingerprint is not None]
    return Sheet(measure, higher, tuple(item.id for item in chosen), tuple(rows), np.mean(prints, axis=0) if prints else None)


def _differences(plays: Sequence[Performance], person: Floats | None, standard: Standard) -> Floats:
    prints = [one.fingerprint for one in plays if one.fingerprint is not None]
    if person is None or not prints:
        return np.empty((0, len(standard.sd)))
    return standard(np.array(prints)) - standard(person[None])


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

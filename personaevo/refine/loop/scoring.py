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
from dataclasses import dataclass, replace

import numpy as np

from personaevo.measure import energy
from personaevo.measure.stats import bootstrap_interval, holm, sign_flip_p, unit_means
from personaevo.records import Floats
from personaevo.refine import features, measures
from personaevo.refine.items.behavior import Action, Item
from personaevo.refine.measures import ActionPair, score_actions
from personaevo.refine.roles.base import Response, RolePlay
from personaevo.refine.roles.population import FeatureSpace

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
        spreads = {key: energy.spreads(apart, counts[len(apart)]) for key, apart in self._tables().items() if len(apart)}
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
    apart = energy.distances(points, points)
    far = tuple(energy.distances(points, group).mean(axis=1) for group in groups)
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
            self._known[key] = points, energy.distances(points, points)
        points, apart = self._known[key]
        return energy.distances(points, self._space.points(person[None]))[:, 0], apart


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
        "distance": float(energy.distances(points.mean(axis=0, keepdims=True), truths).mean()),
        "energy_of_19": float(energy.energy_scores(behaviors, true_behaviors).mean()),
        "distance_of_19": float(energy.distances(behaviors.mean(axis=0, keepdims=True), true_behaviors).mean()),
    }


LEVEL = 0.9  # quantile of the bootstrap that a gain must exceed
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Trial:
    """Scores of one profile on the deciding items, and on ``others``: simulated groups of as many other items of the same person (None
    if these cannot be simulated; the deciding items are then resampled)."""

    sheet: ScoreSheet
    others: ScoreSheet | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on some candidates.

    Attributes:
        best: index of the best candidate (None if none has a score).
        gain: its gain over the current profile.
        noise: the bound that the gain had to exceed.
        accepted: whether it did.
    """

    best: int | None
    gain: float | None
    noise: float
    accepted: bool

    def reason(self, part: str) -> str:
        """The decision in words; ``part`` names the items that decided."""
        if self.gain is None:
            return f"nothing could be measured on {part}"
        how = "more than" if self.accepted else "not more than"
        return f"gain on {part} {self.gain:.3f}, {how} {self.noise:.3f} that other items and role-plays may bring"


def gains(current: ScoreSheet, candidate: ScoreSheet) -> Floats:
    """Gain of the candidate on each item that both have a score on; positive is better."""
    pairs = [(a, b) for a, b in zip(current.values(), candidate.values(), strict=True) if a is not None and b is not None]
    found = np.array([b - a for a, b in pairs])
    return found if current.higher else -found


def gain(current: ScoreSheet, candidate: ScoreSheet) -> float | None:
    """Mean gain; None without one. Role-plays of both have the same seeds."""
    found = gains(current, candidate)
    return float(found.mean()) if len(found) else None


def noise(current: Trial, candidate: Trial, seed: int) -> float:
    """Upper bound of the error of the gain in 90 % of bootstrap draws.

    Role-plays are resampled with replacement, the same ones for both profiles, and so are the person's items.
    """
    found = gains(current.sheet, candidate.sheet)
    if not len(found):
        return 0.0
    rng = np.random.default_rng(seed)
    errors = _role_play_errors(current.sheet, candidate.sheet, rng) + _item_errors(current, candidate, found, rng)
    return max(0.0, float(np.quantile(errors, LEVEL)))


def _role_play_errors(current: ScoreSheet, candidate: ScoreSheet, rng: np.random.Generator) -> Floats:
    """Deviations of the gain under resampled role-plays."""
    size = max((len(row) for row in (*current.played, *candidate.played)), default=0)
    numbers = rng.random((_DRAWS, size))
    drawn = candidate.resampled(numbers) - current.resampled(numbers)
    off: Floats = drawn - drawn.mean()
    return off


def _item_errors(current: Trial, candidate: Trial, found: Floats, rng: np.random.Generator) -> Floats:
    """Deviations of the gain under resampled items of the person."""
    if current.others is None or candidate.others is None:
        off: Floats = found[rng.integers(len(found), size=(_DRAWS, len(found)))].mean(axis=1) - found.mean()
        return off
    others = gains(current.others, candidate.others)
    return np.asarray(others[rng.integers(len(others), size=_DRAWS)] - others.mean())


def decide(current: Trial, candidates: Sequence[Trial], seed: int) -> Decision:
    """Judge candidates that were played with the seeds of the current profile; the first of equal ones is the best."""
    found = [gain(current.sheet, one.sheet) for one in candidates]
    known = [(value, -index) for index, value in enumerate(found) if value is not None]
    if not known:
        return Decision(None, None, 0.0, False)
    best, place = max(known)
    limit = noise(current, candidates[-place], seed)
    return Decision(-place, best, limit, best > limit)


@dataclass(frozen=True, slots=True)
class Change:
    """One measure before and after.

    Attributes:
        before, after: means over units, in the measure's unit; None without a pair.
        gain: improvement; positive is better whichever direction the measure has.
        low, high: confidence interval of the gain; None with fewer than two units.
        p: two-sided p-value; None with fewer than two units.
        n: units compared.
        pairs: pairs with both values, of ``planned`` pairs.
        better: True or False if the interval excludes 0, else None.
    """

    name: str
    before: float | None
    after: float | None
    gain: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    pairs: int
    planned: int
    better: bool | None


def change(
    name: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    *,
    higher_is_better: bool,
    units: Sequence[str] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Change:
    """Compare ``before[i]`` with ``after[i]``, i being one item (or role-play) scored both times; None is missing.

    ``units[i]`` is the unit of pair i; by default each pair is its own unit. All units have the same weight.

    Raises:
        ValueError: the sequences differ in length.
    """
    names = [str(index) for index in range(len(before))] if units is None else list(units)
    rows = list(zip(before, after, names, strict=True))
    kept = [(first, second, unit) for first, second, unit in rows if first is not None and second is not None]
    if not kept:
        return Change(name, None, None, None, None, None, None, 0, 0, len(rows), None)
    owners = [unit for _, _, unit in kept]
    firsts, seconds = unit_means([first for first, _, _ in kept], owners), unit_means([second for _, second, _ in kept], owners)
    gains = (seconds - firsts) if higher_is_better else (firsts - seconds)
    means = float(firsts.mean()), float(seconds.mean()), float(gains.mean())
    if len(gains) < 2:
        return Change(name, *means, None, None, None, len(gains), len(kept), len(rows), None)
    low, high = bootstrap_interval(gains, seed, level=level)
    p = sign_flip_p(gains, seed)
    better = True if low > 0 else False if high < 0 else None
    return Change(name, *means, low, high, p, len(gains), len(kept), len(rows), better)


def corrected(changes: Sequence[Change], alpha: float = 0.05) -> list[Change]:
    """Correct for multiple comparisons: p-values adjusted by Holm's method, and ``better`` None where the adjusted p is above ``alpha``."""
    tested = [index for index, one in enumerate(changes) if one.p is not None]
    adjusted = dict(zip(tested, holm([one.p for one in changes if one.p is not None]), strict=True))
    return [
        replace(one, p=adjusted[index], better=one.better if adjusted[index] <= alpha else None) if index in adjusted else one
        for index, one in enumerate(changes)
    ]


def share_worse(before: Sequence[float | None], after: Sequence[float | None], *, higher_is_better: bool) -> float | None:
    """Share (0..1) of the pairs with both values for which the measure got worse; None without such a pair."""
    pairs = [(first, second) for first, second in zip(before, after, strict=True) if first is not None and second is not None]
    if not pairs:
        return None
    return float(np.mean([second < first if higher_is_better else second > first for first, second in pairs]))

"""Predicted against real actions, step by step.

Exact match alone does not reveal a predictor that always gives the same action, so further scores are computed (OPeRA, Shop-R1 and
Customer-R1 report these). A prediction is an ``Action``, or None if there was none (refused, unreadable, unknown type): it counts as wrong
in all scores and is counted separately. Texts are compared ignoring case and white space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from personaevo import content
from personaevo.refine.behavior import Action, ActionType
from personaevo.refine.measures import plain_words, rouge_l

INVALID = "invalid"
TYPES: tuple[str, ...] = get_args(ActionType)
_FIELDS = ("name", "text")

ActionPair = tuple[Action, Action | None]  # real and predicted


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Scores of one class with ``support`` real and ``predicted`` predicted occurrences; shares 0..1.

    ``precision`` is None if the class was never predicted, ``recall`` if it never occurred. ``f1`` = 2 hits / (support + predicted).
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class ActionScores:
    """Scores over all steps, 0..1, higher is better; None if there was nothing to count.

    - ``exact``: share of steps with the same type, name and text
    - ``type_accuracy``: share of steps with the same type
    - ``macro_f1``: mean F1 of the types that occur as real or predicted ones (as in scikit-learn; invalid is not a type): about 1 / types
      for a predictor that always gives one type
    - ``weighted``: points earned of points possible, weighted by difficulty (``fitness/refine/actions.toml``)
    - ``outcome_f1``: mean F1 of "terminate" and "purchase" over the ``ended`` sessions whose real last action is one of them
    - ``types`` and ``outcomes``: scores of each class; ``confusion[real][predicted]`` counts steps, with "invalid" predictions
    """

    steps: int
    invalid: int
    exact: float | None
    type_accuracy: float | None
    macro_f1: float | None
    weighted: float | None
    outcome_f1: float | None
    ended: int
    types: tuple[ClassScore, ...]
    outcomes: tuple[ClassScore, ...]
    confusion: Mapping[str, Mapping[str, int]]


def score_actions(sessions: Sequence[Sequence[ActionPair]]) -> ActionScores:
    """The scores of sessions, each a sequence of (real action, predicted action or None), in order."""
    steps = [step for session in sessions for step in session]
    pairs = [(real.type, predicted.type if predicted else INVALID) for real, predicted in steps]
    types = _classes(pairs, TYPES)
    ends = [_outcomes(*session[-1]) for session in sessions if session]
    ended = [pair for pair in ends if pair[0]]
    outcomes = _classes(ended, ("terminate", "purchase"))
    counts: Counter[tuple[str, str]] = Counter(pairs)
    return ActionScores(
        steps=len(steps),
        invalid=sum(predicted is None for _, predicted in steps),
        exact=_mean([predicted is not None and same_action(real, predicted) for real, predicted in steps]),
        type_accuracy=_mean([real == predicted for real, predicted in pairs]),
        macro_f1=_mean([one.f1 for one in types]),
        weighted=_weighted(steps),
        outcome_f1=_mean([one.f1 for one in outcomes]),
        ended=len(ended),
        types=types,
        outcomes=outcomes,
        confusion={real: {guess: counts[real, guess] for guess in (*TYPES, INVALID)} for real in TYPES},
    )


def same_action(real: Action, predicted: Action) -> bool:
    """Whether two actions match exactly: type, name and text, ignoring case and white space."""
    return real.type == predicted.type and all(_same(getattr(real, field), getattr(predicted, field)) for field in _FIELDS)


def action_points(real: Action, predicted: Action | None) -> tuple[float, float]:
    """Points that a prediction earns, and the most possible: (points, most), 0 <= points <= most.

    With the weights w of the real action's type: w.type, and for each field that the real action has w.field.given if the prediction
    fills it and w.field.like · s, s being 1 for equal texts and otherwise their ROUGE-L F1 if that is at least ``similar``, else 0.
    A prediction of another type earns nothing.
    """
    weights = _table()[real.type]
    fields = [field for field in _FIELDS if field in weights and getattr(real, field).strip()]
    most = weights["type"] + sum(sum(weights[field].values()) for field in fields)
    if predicted is None or predicted.type != real.type:
        return 0.0, most
    given = ((weights[field], getattr(real, field), getattr(predicted, field)) for field in fields)
    earned = sum(weight["given"] + weight["like"] * _likeness(ours, theirs) for weight, ours, theirs in given if theirs.strip())
    return weights["type"] + earned, most


def _weighted(steps: Sequence[ActionPair]) -> float | None:
    made = [action_points(real, predicted) for real, predicted in steps]
    most = sum(limit for _, limit in made)
    return sum(earned for earned, _ in made) / most if made else None


def _likeness(real: str, predicted: str) -> float:
    if _same(real, predicted):
        return 1.0
    found = rouge_l(predicted, real).value or 0.0
    return found if found >= _table()["similar"] else 0.0


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def _classes(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Scores of the classes that occur on either side of (real, predicted) pairs, in the order of ``names``."""
    support, predicted = Counter(real for real, _ in pairs), Counter(guess for _, guess in pairs)
    hits = Counter(real for real, guess in pairs if real == guess)
    return tuple(
        ClassScore(
            name,
            hits[name] / predicted[name] if predicted[name] else None,
            hits[name] / support[name] if support[name] else None,
            2 * hits[name] / (support[name] + predicted[name]),
            support[name],
            predicted[name],
        )
        for name in names
        if support[name] + predicted[name]
    )


def _outcomes(real: Action, predicted: Action | None) -> tuple[str, str]:
    """Real and predicted end of a session: "terminate", "purchase", or "" for neither.

    If the prediction equals a real action that was a purchase, it is a purchase too, whatever its name.
    """
    truth = _outcome(real)
    if predicted is None:
        return truth, ""
    return truth, truth if same_action(real, predicted) else _outcome(predicted)


def _outcome(action: Action) -> str:
    if action.type == "terminate":
        return "terminate"
    name = f" {' '.join(plain_words(action.name))} "
    bought = action.kind == "purchase" or any(f" {phrase} " in name for phrase in _table()["outcome"]["purchase"])
    return "purchase" if action.type == "click" and bought else ""


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@cache
def _table() -> dict[str, Any]:
    return content.toml("fitness", "refine/actions.toml")

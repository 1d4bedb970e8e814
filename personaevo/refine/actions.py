"""Predicted actions against real ones, step by step: exact match alone hides a predictor that always does the same, so the rest stands
beside it (OPeRA, Shop-R1 and Customer-R1 report these).

A prediction is an ``Action``, or None where the answer was none (refused, unreadable, of an unknown type): it counts as wrong everywhere
and is told apart. Texts are compared without regard to case and blanks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from personaevo import content
from personaevo.refine.behavior import Action, ActionType
from personaevo.refine.measures import rouge_l
from personaevo.refine.words import plain_words

INVALID = "invalid"
TYPES: tuple[str, ...] = get_args(ActionType)
_FIELDS = ("name", "text")

Step = tuple[Action, Action | None]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class among ``support`` real and ``predicted`` predicted ones; all shares 0..1. ``precision`` is None if it was never predicted,
    ``recall`` if it never occurred. ``f1`` = 2 hits / (support + predicted)."""

    name: str
    precision: float | None
    recall: float | None
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class ActionScores:
    """Figures over all steps, 0..1, higher is better; None where there was nothing to count.

    - ``exact``: share of steps with the same type, name and text
    - ``type_accuracy``: share of steps with the same type
    - ``macro_f1``: mean F1 of the types that occur, in truth or prediction (as scikit-learn does; invalid is no type): a predictor that
      collapses to one type is near 1 / types
    - ``weighted``: what was earned of what could be, by difficulty (``fitness/refine/actions.toml``)
    - ``outcome_f1``: mean F1 of "terminate" and "purchase" over the ``ended`` sessions whose real last action is one of them
    - ``types`` and ``outcomes``: the classes one by one; ``confusion[real][predicted]`` counts steps, predictions of "invalid" included
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


def score(sessions: Sequence[Sequence[Step]]) -> ActionScores:
    """The figures of sessions, each a sequence of (real action, predicted action or None), in order."""
    steps = [step for session in sessions for step in session]
    pairs = [(real.type, predicted.type if predicted else INVALID) for real, predicted in steps]
    types = _classes(pairs, TYPES)
    ends = [_outcomes(*session[-1]) for session in sessions if session]
    ended = [pair for pair in ends if pair[0]]
    outcomes = _classes(ended, ("terminate", "purchase"))
    return ActionScores(
        steps=len(steps),
        invalid=sum(predicted is None for _, predicted in steps),
        exact=_mean([predicted is not None and same(real, predicted) for real, predicted in steps]),
        type_accuracy=_mean([real == predicted for real, predicted in pairs]),
        macro_f1=_mean([one.f1 for one in types]),
        weighted=_weighted(steps),
        outcome_f1=_mean([one.f1 for one in outcomes]),
        ended=len(ended),
        types=types,
        outcomes=outcomes,
        confusion=_confusion(pairs),
    )


def same(real: Action, predicted: Action) -> bool:
    """Whether two actions match exactly: type, name and text, without regard to case and blanks."""
    return real.type == predicted.type and all(_same(getattr(real, field), getattr(predicted, field)) for field in _FIELDS)


def points(real: Action, predicted: Action | None) -> tuple[float, float]:
    """What a prediction earns, and what it could: (points, most), 0 <= points <= most.

    With the weights w of the real action's type: w.type, and for each field that the real action has w.field.given if the prediction
    fills it and w.field.like · s, s being 1 for equal texts and otherwise their ROUGE-L F1 if that is at least ``similar``, else 0.
    Nothing without the right type.
    """
    weights = _table()[real.type]
    fields = [field for field in _FIELDS if field in weights and getattr(real, field).strip()]
    most = weights["type"] + sum(sum(weights[field].values()) for field in fields)
    if predicted is None or predicted.type != real.type:
        return 0.0, most
    given = ((weights[field], getattr(real, field), getattr(predicted, field)) for field in fields)
    earned = sum(weight["given"] + weight["like"] * _likeness(ours, theirs) for weight, ours, theirs in given if theirs.strip())
    return weights["type"] + earned, most


def _weighted(steps: Sequence[Step]) -> float | None:
    made = [points(real, predicted) for real, predicted in steps]
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
    """The classes that occur on either side of (real, predicted) pairs, in the order of ``names``."""
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


def _confusion(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counts = Counter(pairs)
    return {real: {guess: counts[real, guess] for guess in (*TYPES, INVALID)} for real in TYPES}


def _outcomes(real: Action, predicted: Action | None) -> tuple[str, str]:
    """How a session ended and was predicted to: "terminate", "purchase", or "" for neither. What people bought by is a purchase for the
    prediction too, whatever it is called."""
    truth = _outcome(real)
    if predicted is None:
        return truth, ""
    return truth, truth if same(real, predicted) else _outcome(predicted)


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

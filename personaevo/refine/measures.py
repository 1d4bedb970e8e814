"""Similarity of generated to real behavior: of texts (ROUGE-L, chrF, embeddings, BERTScore) and of predicted actions.

Every text measure returns a ``Measured``: a value, or the reason why there is none. An empty text, a missing library and a failing model
give a missing value, never 0: 0 means that two texts were compared and have nothing in common.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import numpy as np

from personaevo import content
from personaevo.records import Floats
from personaevo.refine.items.behavior import Action, ActionType
from personaevo.text import one_line

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"  # of DPRF (arXiv 2510.14205)
BERT = "roberta-large"  # default of bert-score for English
_CHUNK_WORDS = 150  # stays below the encoder's limit of 256 tokens
_MOST_CELLS = 4_000_000  # of the table of a longest common subsequence: about a second
_PLAIN = re.compile(r"[^\W_]+")
_SHOWN = 160
_EXTRA = "pip install 'personaevo[embeddings]'"


@dataclass(frozen=True, slots=True)
class Measured:
    """A value, or None with the reason. ``reason`` is "" exactly if there is a value; one line, safe to print."""

    value: float | None
    reason: str = ""


def plain_words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _PLAIN.findall(text.lower())


# --- texts


def rouge_l(generated: str, real: str) -> Measured:
    """ROUGE-L F1 (Lin 2004), 0..1, symmetric: 2 LCS / (words of both), LCS the longest common subsequence of words.

    Computed by ``rouge-score`` without stemming. Words are runs of letters and digits of any script in lower case; for English this equals
    the library's own rule. Missing if a text has no word, or both are so long (about 2,000 words each) that it would take minutes.
    """
    sizes = len(plain_words(generated)), len(plain_words(real))
    if not all(sizes):
        return Measured(None, f"the {'real' if sizes[0] else 'generated'} text has no word in it")
    if sizes[0] * sizes[1] > _MOST_CELLS:
        return Measured(None, f"texts of {sizes[0]:,} and {sizes[1]:,} words are too long for ROUGE-L")
    return Measured(float(_rouge().score(real, generated)["rougeL"].fmeasure))


def chrf(generated: str, real: str) -> Measured:
    """chrF (Popović 2015), 0..1: F2 of the character n-grams of orders 1 to 6, white space removed.

    Recall counts double, so it is not symmetric. Computed by ``sacrebleu`` (its chrF2 / 100). Missing if a text is blank.
    """
    if not generated.strip() or not real.strip():
        return Measured(None, f"the {'real' if generated.strip() else 'generated'} text has no character in it")
    return Measured(float(_chrf().sentence_score(generated, [real]).score) / 100.0)


def embedding_cosine(generated: str, real: str, model: str = ENCODER) -> Measured:
    """Cosine (-1..1, symmetric) of two texts' embeddings by a model of ``sentence-transformers``.

    A long text is embedded in chunks of 150 words; its embedding is their mean, weighted by words. Missing if a text has no word, the
    extra is not installed, or the model cannot be loaded or fails.
    """
    return _in_chunks(generated, real, "embedding cosine", lambda: _encoder(model), _cosine)


def bert_score(generated: str, real: str, model: str = BERT) -> Measured:
    """BERTScore F1 (Zhang et al. 2020; not rescaled, so values are near 1) by ``bert-score``.

    Long texts are compared in chunks of 150 words: precision is the mean over generated chunks (weighted by words) of the best precision
    against any real chunk; recall the other way round. Missing as for ``embedding_cosine``.
    """
    return _in_chunks(generated, real, "BERTScore", lambda: _bert(model), _bert_f1)


class _Words:
    """Tokenizer for ``rouge-score``, whose own drops all letters but those of English."""

    def tokenize(self, text: str) -> list[str]:
        return plain_words(text)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - loads nltk: seconds

    return RougeScorer(["rougeL"], tokenizer=_Words())


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - only where texts are compared

    return CHRF()


# --- the optional ones


def missing(name: str) -> str:
    """Why the optional measure ("cosine", "bert_score") is not available, "" if it is: tries to load its library and model."""
    return {"cosine": lambda: _encoder(ENCODER), "bert_score": lambda: _bert(BERT)}[name]()[1]


def _in_chunks(
    generated: str,
    real: str,
    name: str,
    load: Callable[[], tuple[Any, str]],
    compute: Callable[[Any, list[str], list[str]], float],
) -> Measured:
    chunks = _chunks(generated), _chunks(real)
    if not all(chunks):
        return Measured(None, f"the {'real' if chunks[0] else 'generated'} text has no word in it")
    model, reason = load()
    value, reason = (math.nan, reason) if reason else _tried(lambda: compute(model, *chunks))
    if reason:
        return Measured(None, f"{name}: {reason}")
    return Measured(value) if math.isfinite(value) else Measured(None, f"{name}: the model gave {value}")


def _tried(compute: Callable[[], Any]) -> tuple[Any, str]:
    """The result, or None and the error: these libraries, and the models they load, raise exceptions that cannot be listed."""
    try:
        return compute(), ""
    except ImportError as error:
        return None, f"not installed ({one_line(str(error))[:_SHOWN]}): {_EXTRA}"
    except Exception as error:  # noqa: BLE001 - a measure that failed is missing; the others still count
        return None, f"{type(error).__name__}: {one_line(str(error))[:_SHOWN]}"


def _chunks(text: str) -> list[str]:
    """The text in chunks of 150 words; none if it has no letter or digit."""
    words = text.split() if plain_words(text) else []
    return [" ".join(words[start : start + _CHUNK_WORDS]) for start in range(0, len(words), _CHUNK_WORDS)]


def _weights(chunks: Sequence[str]) -> Floats:
    sizes: Floats = np.array([len(chunk.split()) for chunk in chunks], dtype=float)
    shares: Floats = sizes / sizes.sum()
    return shares


@cache
def _encoder(name: str) -> tuple[Any, str]:
    """The model, or None and the error; cached, so that a model that fails to load is not tried again for every text."""

    def load() -> Any:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - optional

        return SentenceTransformer(name)

    return _tried(load)


@cache
def _bert(name: str) -> tuple[Any, str]:
    """The scorer, or None and the error; cached as in ``_encoder``."""

    def load() -> Any:
        from bert_score import BERTScorer  # noqa: PLC0415 - optional

        return BERTScorer(model_type=name)

    return _tried(load)


def _cosine(encoder: Any, ours: list[str], theirs: list[str]) -> float:
    vectors = np.asarray(encoder.encode([*ours, *theirs]), dtype=float)
    first, second = _weights(ours) @ vectors[: len(ours)], _weights(theirs) @ vectors[len(ours) :]
    with np.errstate(invalid="ignore"):  # a text without a direction has no cosine: not finite, so missing
        return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def _bert_f1(scorer: Any, ours: list[str], theirs: list[str]) -> float:
    pairs = [(one, other) for one in ours for other in theirs]
    found = scorer.score([one for one, _ in pairs], [other for _, other in pairs])
    precision, recall = (np.asarray(part, dtype=float).reshape(len(ours), len(theirs)) for part in found[:2])
    p, r = float(_weights(ours) @ precision.max(axis=1)), float(_weights(theirs) @ recall.max(axis=0))
    return 2 * p * r / (p + r) if p + r else 0.0


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

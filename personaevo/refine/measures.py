"""Similarity of generated to real behavior: of texts (ROUGE-L, chrF, embeddings, BERTScore) and of predicted actions.

Every text measure returns a ``Measured``: a value, or the reason why there is none. An empty text, a missing library and a failing model
give a missing value, never 0: 0 means that two texts were compared and have nothing in common.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from personaevo.records import Floats
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

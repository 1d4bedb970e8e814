"""Measures of nearness: hand-computed values, identity, symmetry, and missing figures with their reasons."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.records import Floats
from personaevo.refine import measures
from personaevo.refine.measures import Measured, bert_score, chrf, embedding_cosine, rouge_l

words = st.lists(st.sampled_from("the dog saw a red cat near blue water".split()), min_size=1, max_size=12).map(" ".join)


# -- ROUGE-L and chrF


@pytest.mark.parametrize(
    ("generated", "real", "value"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("the cat", "the cat sat down", 2 * 2 / 6),
        ("sat the cat", "the cat sat", 2 * 2 / 6),  # in order: "the cat"
        ("dog", "cat", 0.0),
        ("The CAT, sat!", "the cat sat", 1.0),
        ("кот сидит дома", "кот спит дома", 2 * 2 / 6),  # letters of any script
    ],
)
def test_rouge_l_by_hand(generated: str, real: str, value: float) -> None:
    assert rouge_l(generated, real) == Measured(pytest.approx(value), "")


def test_rouge_l_is_the_librarys_own_on_english() -> None:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - takes a second to load

    one, other = "I'd rather not, it's $5.50 - maybe later; ok?", "It's 5 dollars? I would rather not... maybe"
    assert rouge_l(one, other).value == pytest.approx(RougeScorer(["rougeL"]).score(other, one)["rougeL"].fmeasure)


def test_chrf_by_hand() -> None:
    """"ab" in "abc": precision 1 in both orders; recall 2/3 and 1/2. F2 = 5PR / (4P + R) of the means over the orders that both have."""
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    assert chrf("ab", "abc").value == pytest.approx(5 * precision * recall / (4 * precision + recall))
    assert chrf("abc", "abc").value == pytest.approx(1.0)
    assert chrf("xyz", "abc").value == 0.0


@given(words, words)
@settings(max_examples=50)
def test_texts_are_nearest_to_themselves(one: str, other: str) -> None:
    for measure in (rouge_l, chrf):
        found, own = measure(one, other).value, measure(other, other).value
        assert found is not None
        assert 0.0 <= found <= own == pytest.approx(1.0)
    assert rouge_l(one, other).value == pytest.approx(rouge_l(other, one).value)


@pytest.mark.parametrize("measure", [rouge_l, chrf, embedding_cosine, bert_score])
@pytest.mark.parametrize("empty", ["", "  \n"])
def test_nothing_to_compare_is_missing_not_zero(measure: Any, empty: str) -> None:
    for generated, real, side in ((empty, "a word", "generated"), ("a word", empty, "real")):
        found = measure(generated, real)
        assert found.value is None
        assert side in found.reason


def test_too_long_for_rouge_is_missing() -> None:
    assert "too long" in rouge_l("word " * 3_000, "word " * 3_000).reason
    assert rouge_l("!!!", "a word").reason == "the generated text has no word in it"


# -- optional measures, with stand-ins for their libraries


class Encoder:
    """Embeds a text as its counts of three words; counts its calls."""

    made = 0

    def __init__(self, name: str) -> None:
        type(self).made += 1
        if name == "broken":
            raise OSError("no such\x1b[31m model")

    def encode(self, texts: list[str]) -> Floats:
        assert all(len(text.split()) <= 150 for text in texts)
        return np.array([[text.split().count(word) for word in ("a", "b", "c")] for text in texts], dtype=float)


class Scorer:
    """Precision and recall of words."""

    def __init__(self, model_type: str) -> None:
        self.model = model_type

    def score(self, ours: list[str], theirs: list[str]) -> tuple[Any, Any, Any]:
        if self.model == "broken":
            raise RuntimeError("out of memory")
        pairs = [(set(one.split()), set(other.split())) for one, other in zip(ours, theirs, strict=True)]
        return [len(a & b) / len(a) for a, b in pairs], [len(a & b) / len(b) for a, b in pairs], None


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, member, made in (("sentence_transformers", "SentenceTransformer", Encoder), ("bert_score", "BERTScorer", Scorer)):
        module = ModuleType(name)
        setattr(module, member, made)
        monkeypatch.setitem(sys.modules, name, module)
    Encoder.made = 0
    measures._encoder.cache_clear()
    measures._bert.cache_clear()
    yield
    measures._encoder.cache_clear()
    measures._bert.cache_clear()


@pytest.mark.usefixtures("libraries")
def test_embedding_cosine_of_chunks() -> None:
    assert embedding_cosine("a a b", "a a b").value == pytest.approx(1.0)
    assert embedding_cosine("a", "b").value == pytest.approx(0.0)
    long = " ".join(["a"] * 150 + ["b"] * 50)  # two chunks: (150, 0, 0) and (0, 50, 0), weighted 3 to 1
    vector = np.array([0.75 * 150, 0.25 * 50])
    assert embedding_cosine(long, "a").value == pytest.approx(vector[0] / np.linalg.norm(vector))
    assert Encoder.made == 1


@pytest.mark.usefixtures("libraries")
def test_bert_score_of_chunks() -> None:
    assert bert_score("a b", "a b").value == pytest.approx(1.0)
    assert bert_score("a b", "a c").value == pytest.approx(0.5)
    long = " ".join(["a"] * 150 + ["b"] * 50)
    assert bert_score(long, "a").value == pytest.approx(2 * 0.75 * 1.0 / 1.75)  # precision 1 and 0 by words; recall 1


@pytest.mark.usefixtures("libraries")
def test_a_failing_model_is_missing_with_its_reason() -> None:
    for _ in range(3):
        found = embedding_cosine("a", "b", model="broken")
        assert found == Measured(None, "embedding cosine: OSError: no such\\x1b[31m model")
    assert Encoder.made == 1, "what cannot be loaded is not tried again"
    assert bert_score("a", "b", model="broken") == Measured(None, "BERTScore: RuntimeError: out of memory")
    assert embedding_cosine("x", "a").reason == "embedding cosine: the model gave nan"
    assert bert_score("x", "a").value == 0.0


def test_without_the_extra_it_is_missing_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "bert_score", None)
    measures._encoder.cache_clear()
    measures._bert.cache_clear()
    for found in (embedding_cosine("a", "b"), bert_score("a", "b")):
        assert found.value is None
        assert "pip install 'personaevo[embeddings]'" in found.reason
    measures._encoder.cache_clear()
    measures._bert.cache_clear()

"""The fingerprint against hand-computed examples, and properties that hold for any text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import definitions, reference
from personaevo.errors import ContentError, InputError
from personaevo.measure.fingerprint import LOSSES, FeatureSet, apply_losses, rounded, words_of

FEATURES = definitions.features()
QUICK = settings(max_examples=60)
PHRASES = sorted({phrase for feature in FEATURES.features for phrase in feature.lexicon})
WORDS = ["blue", "shoes", "a1", "19122", "don't", "x"]


def value(name: str, turns: list[str]) -> float:
    return float(FEATURES.measure([turns]).values[0, FEATURES.names.index(name)])


EXAMPLES = [
    ("words_per_turn", ["one two three", "one"], 2.0),
    ("short_rate", ["one two three", "one two three four"], 0.5),
    ("politeness_rate", ["Blue, please!", "blue"], 0.5),
    ("formality_rate", ["I would like blue", "gimme blue", "blue", "shoes"], 0.25),
    ("ack_only_rate", ["ok", "Ok, thanks.", "ok blue", "blue"], 0.5),
    ("verbosity_cv", ["one", "one two three"], 0.5),
    ("repetition_rate", ["blue shoes", "red shoes", "Blue shoes!", "x"], 0.25),
    ("repetition_rate", ["it was my red bag yesterday", "no, my red bag yesterday it is"], 0.5),
    ("repetition_rate", ["it was my red bag", "my red bag"], 0.0),
    ("identity_confusion_rate", ["how can I help you", "blue"], 0.5),
    ("front_loading", ["a b c d", "a b", "c d", "b d"], 0.6),
    ("front_loading", ["a b c d"], 1.0),
    ("identifiers_per_turn", ["order W12 for 19122", "blue"], 1.0),
    ("opening_words", ["good day friend", "blue"], 3.0),
    ("opening_words", ["...", "blue shoes"], 2.0),
    ("uncertainty_rate", ["maybe blue", "blue"], 0.5),
    ("certainty_rate", ["definitely blue", "blue"], 0.5),
    ("pushback_rate", ["I don't want blue", "blue"], 0.5),
    ("clarification_rate", ["what do you mean", "blue"], 0.5),
    ("info_seeking_rate", ["when tomorrow", "blue"], 0.5),
    ("emotion_rate", ["so frustrated", "blue"], 0.5),
    ("accusatory_rate", ["you promised blue", "blue"], 0.5),
    ("pivot_rate", ["alternatively blue", "blue"], 0.5),
]


@pytest.mark.parametrize(("name", "turns", "expected"), EXAMPLES)
def test_hand_computed(name: str, turns: list[str], expected: float) -> None:
    assert value(name, turns) == pytest.approx(expected)


def test_every_feature_has_an_example() -> None:
    assert {name for name, _, _ in EXAMPLES} == set(FEATURES.names)
    assert len(FEATURES.names) == 19


def test_a_turn_counts_for_one_of_the_three_questions() -> None:
    rates = ("pushback_rate", "clarification_rate", "info_seeking_rate")
    assert [value(name, ["I don't want it, what do you mean, when"]) for name in rates] == [1, 0, 0]
    assert [value(name, ["what do you mean, when"]) for name in rates] == [0, 1, 0]
    assert [value(name, ["when"]) for name in rates] == [0, 0, 1]


def test_acknowledgement_needs_every_word_and_lexicons_need_whole_words() -> None:
    assert value("ack_only_rate", ["ok then blue"]) == 0
    assert value("politeness_rate", ["displeased"]) == 0


def test_a_dialogue_without_words_is_an_input_error() -> None:
    with pytest.raises(InputError, match="dialogue 1 "):
        FEATURES.measure([["blue"], ["...", ""]])
    with pytest.raises(InputError, match="dialogue 0 "):
        FEATURES.measure([[]])
    assert FEATURES.measure([]).values.shape == (0, 19)


def test_turns_without_words_do_not_count() -> None:
    assert np.array_equal(
        FEATURES.measure([["?!", "blue shoes", ""]]).values, FEATURES.measure([["blue shoes"]]).values
    )


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\x0b", "\u2028", "-", "/"])
def test_white_space_and_dashes_part_words(space: str) -> None:
    assert words_of([f"Blue{space}shoes"]) == [["blue", "shoes"]]


def test_apostrophes_do_not_part_words() -> None:
    assert words_of(["I don't", "I don\u2019t"]) == [["i", "dont"], ["i", "dont"]]


def test_a_table_with_a_gap_is_a_content_error() -> None:
    with pytest.raises(ContentError, match="lacks the key"):
        FeatureSet.from_table({"version": 1, "feature": [{"name": "pivot_rate"}]})


@QUICK
@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_gives_bounded_values_or_an_input_error(turns: list[str]) -> None:
    if not any(words_of(turns)):
        with pytest.raises(InputError):
            FEATURES.measure([turns])
        return
    shown = dict(zip(FEATURES.names, FEATURES.measure([turns]).values[0].tolist(), strict=True))
    assert np.isfinite(list(shown.values())).all()
    assert all(0 <= shown[name] <= 1 for name in shown if name.endswith("_rate") or name == "front_loading")
    assert shown["words_per_turn"] >= 1
    assert shown["opening_words"] >= 1
    assert 0 <= shown["identifiers_per_turn"] <= shown["words_per_turn"]
    assert shown["verbosity_cv"] >= 0


said = st.lists(st.sampled_from([*PHRASES, *WORDS]), min_size=1, max_size=5).map(" ".join)


@QUICK
@given(st.lists(st.lists(said, min_size=1, max_size=5), min_size=1, max_size=6))
def test_one_pass_equals_one_by_one(dialogues: list[list[str]]) -> None:
    together = FEATURES.measure(dialogues).values
    apart = np.vstack([FEATURES.measure([turns]).values for turns in dialogues])
    assert np.allclose(together, apart, rtol=1e-12, atol=0)


def _decorated(words: list[tuple[str, str, str]]) -> str:
    return " ".join(f"{before}{word.title()}{after}" for before, word, after in words)


marks = st.sampled_from(["", '"', "(", "...", ".", ",", "?!", ")"])
written = st.lists(st.tuples(marks, st.sampled_from([*PHRASES, *WORDS]), marks), min_size=1, max_size=5).map(_decorated)


@QUICK
@given(st.lists(written, min_size=1, max_size=5))
def test_loss_of_case_and_punctuation_changes_nothing(turns: list[str]) -> None:
    lost = [apply_losses(turn, LOSSES) for turn in turns]
    assert np.array_equal(FEATURES.measure([turns]).values, FEATURES.measure([lost]).values)


def test_figures_have_the_digits_that_references_store() -> None:
    """Else a judge tells a played dialogue from a person's by what is left of 1/6 after .1667."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.integers(0, 40, 5000) / rng.integers(1, 30, 5000), rng.lognormal(2, 3, 5000), [-0.1234567, 0, 1e-12]])
    assert rounded(values).tolist() == list(reference.rounded(values))
    assert (rounded(rounded(values)) == rounded(values)).all()
    shown = definitions.features().measure([["please", "red", "blue", "green", "ok", "no red one"]]).values
    assert shown.tolist() == [list(reference.rounded(shown[0]))]
    assert shown[0, definitions.features().names.index("politeness_rate")] == 0.1667

"""Habits of typing against hand-computed examples, and properties that hold for any text."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import definitions
from personaevo.errors import ContentError
from personaevo.measure.fingerprint import LOSSES, apply_losses
from personaevo.measure.typing import VEIL, HabitSet

HABITS = definitions.typing()
QUICK = settings(max_examples=60)


def value(name: str, turns: list[str]) -> float:
    return float(HABITS.measure([turns]).values[0, HABITS.names.index(name)])


EXAMPLES = [
    ("lower_start", ["hello there", "Hello there", "I see", "NASA knows", "JL88WQ", "1 of them", "\u4f60\u597d"], 0.5),
    ("lower_start", ["<person1>: hello", "(Well) yes"], 0.5),
    ("lower_start", ["\u0434\u0430", "\u0414\u0430", "\u00e9t\u00e9"], 0.6667),
    ("lower_sentence", ["Yes. no. No! I see", "so... yes"], 0.5),
    ("lower_i", ["I think i know", "i'm in, I'll go", "i.e. that", "Part i"], 0.6),
    ("full_stop", ["Fine.", "fine", "Fine!", "Fine...", "is it fine.", "fine. :)", "fine lol"], 0.5),
    ("exclamation", ["Fine!", "fine\nFine.", "fine.", "fine..", "is it fine?"], 0.25),
    ("question_mark", ["Is it you?", "is it you", "ok. what time is it", "you sure?", "When I go, it rains"], 0.3333),
    ("ellipses", ["so... yes", "fine\u2026", "fine.", "a.b"], 0.5),
    ("smileys", ["fine :)", "fine", "<3 it", "see http://a.b/:)", "\U0001f600"], 0.6),
    ("laughter", ["lol fine", "hahaha", "fine", "halo"], 0.5),
    ("no_apostrophe", ["dont, don't, im, I\u2019m", "its well"], 0.5),
    ("contractions", ["I am here, I'm here, dont go", "yes I am", "do not you"], 0.6667),
    ("commas", ["yes, one but two", "yes one", "1,000 of them"], 0.3333),
    ("quotes", ['he said "no"', "no", "it's"], 0.3333),
    ("dashes", ["one - two", "e-mail", "one--two", "-v"], 0.5),
    ("brackets", ["one (or two)", ":("], 0.5),
    ("abbreviations", ["u and you", "r u there, please", "you're"], 0.6),
    ("casual_yes", ["yes", "Yep", "no idea", "nope, thanks"], 0.6667),
    ("short_ok", ["ok", "Okay", "k", "x k-9"], 0.6667),
    ("first_words", ["Well, fine", "so fine", "fine", "well-known"], 0.5),
    ("capitals", ["I went to Oslo by car and I saw it"], 0.125),
    ("digits", ["2 of three, 1 of 13"], 0.5),
    ("word_length", ["big JL88WQ parcel", "lol u don't"], 4.5),
    ("double_space", ["One.  Two. Three"], 0.5),
    ("space_before_mark", ["Yes , no? Oh!", "fine ."], 0.3333),
]


@pytest.mark.parametrize(("name", "turns", "expected"), EXAMPLES)
def test_hand_computed(name: str, turns: list[str], expected: float) -> None:
    assert value(name, turns) == pytest.approx(expected)


def test_every_habit_has_an_example() -> None:
    assert {name for name, _, _ in EXAMPLES} == set(HABITS.names)


@pytest.mark.parametrize(
    "token",
    ["JL88WQ", "https://a.example/b?c=d", "me@a.example", "/etc/fstab", "notes.txt", "a_b", "$5.00", "10:30am", "c++", "<url>", "i.e"],
)
def test_what_is_no_plain_word_is_veiled(token: str) -> None:
    assert HABITS.patterns.veil(f'See "{token}", then.') == f'See "{VEIL}", then.'
    assert HABITS.patterns.veil(f"{token}.") in {f"{VEIL}.", "."}  # a placeholder at the beginning is who was spoken to


@pytest.mark.parametrize("text", ["yes...no", ":) fine", "fine :/", "don't e-mail", "<3", "^^ ok"])
def test_words_and_smileys_are_not(text: str) -> None:
    assert HABITS.patterns.veil(text) == text


def test_no_occasion_no_value() -> None:
    values = HABITS.measure([[], ["..."], ["\u4f60\u597d"], ["fine"]]).values
    assert np.isnan(values[0]).all()
    assert math.isnan(values[2, HABITS.names.index("lower_start")])
    assert math.isnan(values[3, HABITS.names.index("lower_i")])
    assert HABITS.measure([]).values.shape == (0, len(HABITS.names))


def test_what_text_lost_says_what_it_cannot_show() -> None:
    """The habits that are left measure the same after the losses where the words are the same."""
    assert set(HABITS.usable(())) == set(HABITS.names)
    left = HABITS.usable(LOSSES)
    assert set(left) == {"laughter", "contractions", "abbreviations", "casual_yes", "short_ok", "first_words", "digits", "word_length"}
    turns = ["Well I do not know", "yep ok", "Two of them haha", "u should"]
    kept, lost = (HABITS.measure([found]).values[0] for found in (turns, [apply_losses(turn, LOSSES) for turn in turns]))
    columns = [HABITS.names.index(name) for name in left]
    np.testing.assert_allclose(kept[columns], lost[columns])


TURNS = st.lists(st.text(st.sampled_from(list("aIi .,!?'\u2019:)-1\n\u2026\u00e9\U0001f600\ue000lo")), max_size=30), max_size=5)


@QUICK
@given(st.lists(TURNS, max_size=4))
def test_any_text_gives_shares_and_dialogues_do_not_touch(dialogues: list[list[str]]) -> None:
    measured = HABITS.measure(dialogues).values
    shares = np.delete(measured, HABITS.names.index("word_length"), axis=1)
    assert (np.isnan(shares) | ((shares >= 0) & (shares <= 1))).all()
    alone = [HABITS.measure([dialogue]).values[0] for dialogue in dialogues]
    np.testing.assert_array_equal(measured, np.array(alone).reshape(measured.shape))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"name": "lower_i", "needs": [], "unit": "x"}, "lacks the key 'meaning'"),
        ({"name": "speed", "needs": [], "unit": "x", "meaning": "x"}, "habit 'speed' has no measure"),
        ({"name": "lower_i", "needs": ["color"], "unit": "x", "meaning": "x"}, "needs color; expected of case, punctuation"),
    ],
)
def test_content_that_is_wrong_says_so(row: dict[str, object], said: str) -> None:
    with pytest.raises(ContentError, match=said):
        HabitSet.from_table({"version": 1, "habit": [row], "lexicon": {}})


def test_dials_are_those_habits_that_can_be_typed() -> None:
    dials = definitions.typing_dials()
    assert [*dials][:-1] == [habit.name for habit in HABITS.habits if habit.range]
    assert [*dials][-1] == "typing_swing" and dials["typing_swing"].default == 0.0
    assert all(math.isnan(dial.default) for dial in [*dials.values()][:-1])
    assert not set(dials).intersection(definitions.dials())

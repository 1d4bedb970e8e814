"""Words as the leakage guard compares them: numbers, endings, sentences."""

from __future__ import annotations

import pytest

from personaevo.refine.leakage.words import common_stems, function_stems, read_words, split_sentences, stem
from personaevo.refine.measures import plain_words


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("I paid $2,500.50 then", 2500.5, "dollar"),
        ("about 50% of it", 50, "percent"),
        ("€ 20 only", 20, "euro"),
        ("my 3 kids", 3, "kid"),
        ("three kids", 3, "kid"),
        ("5k followers", 5000, "follower"),
        ("two hundred and fifty dollars", 250, "dollar"),
        ("a hundred thousand people", 100_000, stem("people")),
        ("twenty-five cents", 25, "cent"),
        ("nineteen million and two goats", 19_000_002, "goat"),
        ("three dozen eggs", 36, "egg"),
        ("25 a month", 25, ""),
        ("1,5 liters", 1.5, "liter"),
        ("thr\u0435\u0435 cats", 3, "cat"),  # Cyrillic letters
        ("\uff11\uff12 cats", 12, "cat"),
    ],
)
def test_numbers_are_read(text: str, value: float, unit: str) -> None:
    found = [word for word in read_words(text) if word.value is not None]
    assert [(word.value, word.unit) for word in found] == [(value, unit)]


def test_lists_of_numbers_are_not_added_up() -> None:
    words = read_words("five twenty seventeen, two three and four")
    assert [word.value for word in words if word.value is not None] == [5, 20, 17, 2, 3, 4]


@pytest.mark.parametrize("code", ["12.05.2011", "1.2.3", "0800123456789", "AB12C"])
def test_codes_are_words_not_amounts(code: str) -> None:
    assert [word.value for word in read_words(code)] == [None]


@pytest.mark.parametrize(
    "forms",
    ["donate donates donated donating donation donations", "carry carries carried carrying", "stop stops stopped stopping", "class classes",
     "kid kids kid's kids'", "quick quickly", "happy happily", "tell tells telling", "charity charities charity's"],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


def test_different_words_keep_different_stems() -> None:
    assert len({stem(word) for word in "nurse nursery house horse bus boss this thing sing red need child charity".split()}) == 13


def test_persons_are_one() -> None:
    mine, yours = ("I'm sure my brother told me about myself", "you're sure your brother told you about yourself")
    assert [word.stem for word in read_words(mine)] == [word.stem for word in read_words(yours)]


def test_capitals_count_inside_a_sentence_and_not_when_shouted() -> None:
    assert [word.text for word in read_words("Then I met Ahmed in Dayton") if word.capital] == ["I", "Ahmed", "Dayton"]
    assert not [word for word in read_words("I LOVE MY DOG Rex") if word.capital]


def test_sentences_end_where_they_end() -> None:
    assert split_sentences("Hi! I met Dr. No at St. Jude's. \"Really?\" Yes ... well\n\nbye") == [
        "Hi!", "I met Dr. No at St. Jude's.", '"Really?"', "Yes ... well", "bye",
    ]  # fmt: skip
    assert split_sentences(" \n ") == []


def test_word_lists_are_there_and_apart() -> None:
    assert {"the", "you", "your", "be"} <= function_stems()
    assert {stem("polite"), stem("skeptical"), "money"} <= common_stems()
    assert not {"toledo", "greyhound", "forklift"} & common_stems()


def test_plain_words_are_runs_of_letters_and_digits() -> None:
    assert plain_words("Don't_stop: 5.5, Я!") == ["don", "t", "stop", "5", "5", "я"]

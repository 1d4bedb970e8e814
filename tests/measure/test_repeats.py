"""Repeated dialogues are found, word for word and nearly so, and what is only alike is not."""

from __future__ import annotations

import time

import numpy as np

from personaevo.measure.fingerprint import repeats

WORDS = [f"w{number}" for number in range(300)]


def talk(seed: int, turns: int = 4, words: int = 10) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(turns)]


def test_the_same_words_are_a_repeat_whatever_their_case_and_signs() -> None:
    one = ["I want to go, please.", "To Rome", "Yes! That's all"]
    assert repeats([one, talk(1), [turn.upper() for turn in one], ["...", *one], one]) == [None, None, 0, 0, 0]


def test_nearly_the_same_is_a_repeat() -> None:
    one = talk(1)
    edited = [one[0].replace(one[0].split()[3], "other"), *one[1:]]
    longer = [*one, "thanks bye"]
    shorter = [*one[:3], " ".join(one[3].split()[:8])]
    assert repeats([one, talk(2), edited, longer, shorter]) == [None, None, 0, 0, 0]
    twenty = talk(3, 2)
    assert repeats([twenty, [f"{twenty[0][:-3]} x", twenty[1]]]) == [None, 0]


def test_what_is_only_alike_is_new() -> None:
    one = talk(1)
    half = [*one[:2], *talk(2)[:2]]
    assert repeats([one, half, one[::-1][:3], talk(3)]) == [None] * 4
    assert repeats([["yes please"], ["yes please"], ["ok", "no", "bye"], ["ok", "no", "bye"]]) == [None] * 4  # few words coincide by chance
    rng = np.random.default_rng(0)
    few = [[" ".join(rng.choice(["yes", "no", "red", "blue"], 12)) for _ in range(6)] for _ in range(60)]
    assert repeats(few) == [None] * 60  # the same pairs of words, in another order


def test_a_repeat_of_a_repeat_names_the_first() -> None:
    one = talk(1)
    near = [*one, "bye"]
    assert repeats([one, near, near, one]) == [None, 0, 0, 0]
    assert repeats([]) == []
    assert repeats([[], [""], []]) == [None] * 3


def test_many_dialogues_take_seconds() -> None:
    many = [talk(seed) for seed in range(4000)]
    begun = time.perf_counter()
    found = repeats([*many, *many[:50]])
    assert found == [None] * 4000 + list(range(50))
    assert time.perf_counter() - begun < 10

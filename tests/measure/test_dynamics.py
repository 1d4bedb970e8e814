"""Dynamics of the user's side: course, order, shared words."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from personaevo import definitions
from personaevo.errors import InputError
from personaevo.measure import dynamics


def measured(*dialogues: list[str], **options: object) -> list[dict[str, float]]:
    values = dynamics.measure(dialogues, definitions.features(), **options)  # type: ignore[arg-type]
    return [dict(zip(dynamics.NAMES, row, strict=True)) for row in values.tolist()]


def turn(words: int) -> str:
    return " ".join(["word"] * words)


ROUNDED = 5e-4  # four significant digits


def test_course_by_hand() -> None:
    (found,) = measured([turn(words) for words in (1, 2, 4, 8, 16, 32)])
    assert found["user_turns"] == 6
    assert found["length_slope"] == pytest.approx(5 * math.log(2), rel=ROUNDED)
    assert found["length_lag1"] == pytest.approx(1.0)
    assert found["length_spread"] == pytest.approx(math.log(2) * np.std(range(6)), rel=ROUNDED)
    assert found["last_words"] == 32
    assert found["last_third"] == pytest.approx(48 / 63, rel=ROUNDED)
    assert found["longest_at"] == 1.0
    assert found["opens_short"] == 1.0


def test_the_lag_correlation_is_pearsons() -> None:
    lengths = [5, 2, 9, 4, 4, 7]
    (found,) = measured([turn(words) for words in lengths])
    logs = np.log(lengths)
    assert found["length_lag1"] == pytest.approx(np.corrcoef(logs[:-1], logs[1:])[0, 1], rel=ROUNDED)
    assert found["longest_at"] == pytest.approx(2 / 5)


def test_what_is_not_defined_is_still_a_number() -> None:
    one, two, same = measured(["hello there my good friend"], ["yes", "no"], ["a b"] * 4)
    assert (one["length_slope"], one["length_lag1"], one["longest_at"], one["last_third"], one["opens_short"]) == (0, 0, 0, 0, 0)
    assert (one["polite_late"], one["ack_alike"]) == (0.5, 1.0)
    assert two["length_lag1"] == same["length_lag1"] == same["length_slope"] == 0.0
    assert dynamics.measure([], definitions.features()).shape == (0, len(dynamics.NAMES))


def test_behaviors_late_in_the_dialogue() -> None:
    early, middle, late = measured(
        ["please tell me", "the red one", "the blue one", "ok"], ["red", "please", "red"], ["red", "ok", "red", "thanks"]
    )
    assert (early["polite_late"], middle["polite_late"], late["polite_late"]) == (0.0, 0.5, 1.0)
    assert (early["ack_late"], late["asks_late"]) == (1.0, 0.5)
    assert early["ack_alike"] == pytest.approx(2 / 3, rel=ROUNDED)


def test_case_and_punctuation_and_wordless_turns_do_not_count() -> None:
    assert measured(["Hello!", "I'd like that, please.", "...", "OK"]) == measured(["hello", "id like that please", "ok"])


def test_a_dialogue_without_words_is_refused() -> None:
    with pytest.raises(InputError, match="dialogue 1"):
        measured(["yes"], ["..."])


def test_shared_words_are_the_expectation_over_choices_of_others() -> None:
    dialogues = [["a b c d e", "yes"], ["a b c d", "no"], ["b c d e f", "yes"], ["q", "a b c d"], ["z"], ["y"]]
    found = measured(*dialogues, others=2)[0]
    runs = {1: {"abcd"}, 2: {"bcde"}, 3: {"abcd"}}
    chosen = list(itertools.combinations(range(1, 6), 2))
    share = [len(set().union(*(runs.get(number, set()) for number in pair)) & {"abcd", "bcde"}) / 2 for pair in chosen]
    assert found["shared_runs"] == pytest.approx(np.mean(share), rel=ROUNDED)
    assert found["shared_turns"] == pytest.approx(np.mean([(2 in pair) / 2 for pair in chosen]), rel=ROUNDED)


def test_dialogues_of_one_owner_are_not_compared() -> None:
    said = ["a b c d e f g"]
    assert [row["shared_runs"] for row in measured(said, said, ["x y"], owners=["p", "p", "q"])] == [0.0, 0.0, 0.0]
    assert [row["shared_turns"] for row in measured(said, said, ["x y"], owners=["p", "r", "q"])] == [1.0, 1.0, 0.0]
    assert measured(said, said, owners=["p", "p"])[0]["shared_turns"] == 0.0


def test_shared_words_do_not_depend_on_the_size_of_the_set() -> None:
    rng = np.random.default_rng(0)
    many = [[f"w{number} v{number} u{number} t{number}" for number in rng.integers(0, 60, 4)] for _ in range(400)]
    columns = [dynamics.NAMES.index(name) for name in ("shared_runs", "shared_turns")]
    means = [dynamics.measure(many[:size], definitions.features(), others=30)[:, columns].mean(axis=0) for size in (60, 400)]
    assert means[0] == pytest.approx(means[1], abs=0.03)


def test_two_hundred_dialogues_take_a_fraction_of_a_second() -> None:
    rng = np.random.default_rng(1)
    dialogues = [[" ".join(f"w{word}" for word in rng.integers(0, 500, 14)) for _ in range(10)] for _ in range(200)]
    begun = time.perf_counter()
    values = dynamics.measure(dialogues, definitions.features())
    assert time.perf_counter() - begun < 2.0  # a fifth of that and less on an idle machine
    assert np.isfinite(values).all()

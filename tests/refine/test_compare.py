"""Changes of measures: their direction, what is missing, dependent pairs, and many measures at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from personaevo.refine.loop.scoring import change, corrected, share_worse

BEFORE = [0.50, 0.40, 0.60, 0.55, 0.45, 0.50, 0.65, 0.35]
AFTER = [0.60, 0.55, 0.65, 0.70, 0.50, 0.65, 0.70, 0.45]


def test_a_gain_is_toward_the_better() -> None:
    up, down = (change("m", BEFORE, AFTER, higher_is_better=higher) for higher in (True, False))
    assert (up.before, up.after) == (down.before, down.after) == (pytest.approx(0.5), pytest.approx(0.6))
    assert up.gain == pytest.approx(0.1)
    assert down.gain == pytest.approx(-0.1)
    assert (up.better, down.better) == (True, False)
    assert up.low is not None
    assert up.high is not None
    assert 0 < up.low < 0.1 < up.high
    assert (down.low, down.high) == (pytest.approx(-up.high, abs=0.005), pytest.approx(-up.low, abs=0.005))
    assert up.p == down.p == 2 / 256
    assert (up.n, up.pairs, up.planned) == (8, 8, 8)


def test_nothing_changed_is_nothing_gained() -> None:
    same = change("m", BEFORE, BEFORE, higher_is_better=True)
    assert (same.gain, same.low, same.high, same.p, same.better) == (0.0, 0.0, 0.0, 1.0, None)


def test_noise_is_no_verdict() -> None:
    rng = np.random.default_rng(0)
    verdicts = [change("m", rng.normal(size=10).tolist(), rng.normal(size=10).tolist(), higher_is_better=True).better for _ in range(200)]
    assert verdicts.count(None) >= 180


def test_missing_values_are_left_out_in_pairs() -> None:
    found = change("m", [0.1, None, 0.3, 0.2], [0.2, 0.9, None, 0.4], higher_is_better=True)
    assert (found.before, found.after) == (pytest.approx(0.15), pytest.approx(0.3))
    assert (found.n, found.pairs, found.planned) == (2, 2, 4)


def test_too_little_says_nothing() -> None:
    none = change("m", [None, 0.1], [0.2, None], higher_is_better=True)
    assert (none.before, none.gain, none.p, none.better, none.n, none.planned) == (None, None, None, None, 0, 2)
    one = change("m", [0.1], [0.9], higher_is_better=True)
    assert one.gain == pytest.approx(0.8)
    assert (one.low, one.high, one.p, one.better) == (None, None, None, None)
    assert change("m", [], [], higher_is_better=True).planned == 0


def test_repeating_each_pair_adds_no_certainty() -> None:
    units = [str(index) for index in range(8)]
    once = change("m", BEFORE, AFTER, higher_is_better=True, units=units)
    often = change("m", BEFORE * 20, AFTER * 20, higher_is_better=True, units=units * 20)
    assert (often.low, often.high, often.p, often.n) == (pytest.approx(once.low), pytest.approx(once.high), once.p, once.n)
    assert often.pairs == 160


def test_sides_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        change("m", [0.1, 0.2], [0.1], higher_is_better=True)


def test_a_family_of_measures_is_corrected() -> None:
    clear = change("clear", BEFORE, AFTER, higher_is_better=True)
    weak = replace(clear, name="weak", p=0.04)
    missing = change("missing", [None], [None], higher_is_better=True)
    found = {one.name: one for one in corrected([weak, missing, clear, replace(clear, name="other", p=0.9)])}
    assert found["clear"].p == pytest.approx(3 * 2 / 256)
    assert found["clear"].better is True
    assert found["weak"].p == pytest.approx(0.08)
    assert found["weak"].better is None
    assert found["missing"] == missing


def test_the_share_that_got_worse() -> None:
    assert share_worse([1.0, 2.0, 3.0, None], [2.0, 1.0, 3.0, 1.0], higher_is_better=True) == pytest.approx(1 / 3)
    assert share_worse([1.0, 2.0, 3.0, None], [2.0, 1.0, 3.0, 1.0], higher_is_better=False) == pytest.approx(1 / 3)
    assert share_worse([None], [1.0], higher_is_better=True) is None

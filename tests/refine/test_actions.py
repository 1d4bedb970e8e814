"""Predicted actions: a worked example by hand, a predictor that collapsed to one type, and the points by difficulty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personaevo.refine.items.behavior import Action
from personaevo.refine.measures import ActionPair, ActionScores, action_points, same_action, score_actions


def click(name: str, kind: str = "") -> Action:
    return Action(type="click", name=name, kind=kind)


def typed(text: str, name: str = "search box") -> Action:
    return Action(type="type_and_submit", name=name, text=text)


END = Action(type="terminate")
RED, BLUE, BUY = click("red mug"), click("blue mug"), click("Buy Now", kind="purchase")

WORKED: list[list[ActionPair]] = [
    [
        (typed("red coffee mug"), typed("red coffee mug")),  # exact
        (RED, BLUE),  # the type alone
        (BUY, BUY),  # exact, and the outcome
    ],
    [
        (typed("garden hose"), click("search")),  # wrong type
        (RED, None),  # no answer
        (END, RED),  # wrong type, and the outcome missed
    ],
]


def test_the_worked_example() -> None:
    found = score_actions(WORKED)
    assert (found.steps, found.invalid) == (6, 1)
    assert found.exact == pytest.approx(2 / 6)
    assert found.type_accuracy == pytest.approx(3 / 6)
    by_name = {one.name: one for one in found.types}
    clicks, typing, ends = by_name["click"], by_name["type_and_submit"], by_name["terminate"]
    assert (clicks.support, clicks.predicted) == (3, 4)
    assert (clicks.precision, clicks.recall, clicks.f1) == (pytest.approx(2 / 4), pytest.approx(2 / 3), pytest.approx(4 / 7))
    assert (typing.precision, typing.recall, typing.f1) == (pytest.approx(1.0), pytest.approx(1 / 2), pytest.approx(2 / 3))
    assert (ends.precision, ends.recall, ends.f1) == (None, pytest.approx(0.0), 0.0)
    assert found.macro_f1 == pytest.approx((4 / 7 + 2 / 3 + 0) / 3)
    # earned: typing 1.6, type and given of a click .5, purchase 1.5; possible: typing twice 1.6, clicks three times 1.5, end .3
    assert found.weighted == pytest.approx((1.6 + 0.5 + 1.5) / (2 * 1.6 + 3 * 1.5 + 0.3))
    assert found.ended == 2
    assert {one.name: one.f1 for one in found.outcomes} == {"terminate": 0.0, "purchase": 1.0}
    assert found.outcome_f1 == pytest.approx(0.5)
    assert found.confusion["click"] == {"click": 2, "type_and_submit": 0, "terminate": 0, "invalid": 1}
    assert found.confusion["terminate"] == {"click": 1, "type_and_submit": 0, "terminate": 0, "invalid": 0}


def test_collapse_to_one_type_shows() -> None:
    """As many exact matches, but only where the person clicked: the rest of the report reveals it."""
    real = [RED, BLUE, RED, BLUE, typed("a"), typed("b"), typed("c"), END]
    varied = [RED, RED, BLUE, BLUE, typed("a"), typed("x"), typed("c"), click("help")]
    collapsed = [RED, BLUE, RED, BLUE, RED, RED, BLUE, RED]
    one, other = (score_actions([list(zip(real, guess, strict=True))]) for guess in (varied, collapsed))
    assert one.exact == other.exact == 4 / 8
    assert one.macro_f1 == pytest.approx((8 / 9 + 1 + 0) / 3)
    assert other.macro_f1 == pytest.approx((8 / 12) / 3)
    assert other.type_accuracy == 4 / 8
    assert [kind.recall for kind in other.types] == [1.0, 0.0, 0.0]
    assert one.weighted is not None
    assert other.weighted is not None
    assert one.weighted != other.weighted


@pytest.mark.parametrize(
    ("real", "guess", "earned", "most"),
    [
        (END, END, 0.3, 0.3),
        (END, RED, 0.0, 0.3),
        (RED, None, 0.0, 1.5),
        (RED, RED, 1.5, 1.5),
        (RED, click(""), 0.3, 1.5),
        (RED, BLUE, 0.5, 1.5),  # ROUGE-L 1/2 is below .75
        (click("big red mug now"), click("big red mug here"), 0.5 + 0.75, 1.5),  # ROUGE-L 3/4 counts
        (click(""), click("anything"), 0.3, 0.3),  # what the log does not say cannot be earned
        (typed("garden hose"), typed("garden hose"), 1.6, 1.6),
        (typed("garden hose"), typed("Garden  HOSE", name="address"), 0.3 + 0.1 + 0.1 + 1.0, 1.6),
        (typed("garden hose"), typed(""), 0.3 + 0.2, 1.6),
        (click("★"), click("★"), 1.5, 1.5),  # no word in it, but the same
    ],
)
def test_points_by_difficulty(real: Action, guess: Action | None, earned: float, most: float) -> None:
    assert action_points(real, guess) == (pytest.approx(earned), pytest.approx(most))


@pytest.mark.parametrize("name", ["Buy Now", "buy_now", "checkout-button", "Place your order"])
def test_a_purchase_is_known_by_its_kind_or_its_name(name: str) -> None:
    named, kind = score_actions([[(click(name), click(name))]]), score_actions([[(click("btn 7", kind="purchase"), click("btn 7"))]])
    assert named.outcome_f1 == kind.outcome_f1 == 1.0


def test_sessions_that_end_otherwise_have_no_outcome() -> None:
    found = score_actions([[(RED, END)], [(BUY, RED)], []])
    assert found.ended == 1
    assert [(one.name, one.recall) for one in found.outcomes] == [("purchase", 0.0)]
    assert score_actions([[(click("cashbuy nowhere"), RED)]]).outcome_f1 is None


def test_no_step_gives_no_figure() -> None:
    for empty in ([], [[]]):
        found: ActionScores = score_actions(empty)
        assert (found.steps, found.exact, found.macro_f1, found.weighted, found.outcome_f1) == (0, None, None, None, None)


def test_only_invalid_answers_are_wrong_everywhere() -> None:
    found = score_actions([[(RED, None), (END, None)]])
    assert (found.invalid, found.exact, found.type_accuracy, found.macro_f1, found.weighted) == (2, 0.0, 0.0, 0.0, 0.0)


actions = st.one_of(
    st.just(END), st.sampled_from(["red mug", "buy now", "", "help"]).map(click), st.sampled_from(["garden hose", "mug"]).map(typed)
)


@given(st.lists(st.tuples(actions, st.none() | actions), min_size=1, max_size=12))
def test_bounds_and_identity(steps: list[ActionPair]) -> None:
    found = score_actions([steps])
    for value in (found.exact, found.type_accuracy, found.macro_f1, found.weighted):
        assert value is not None
        assert 0.0 <= value <= 1.0
    assert (found.exact or 0) <= (found.type_accuracy or 0)
    assert sum(sum(row.values()) for row in found.confusion.values()) == found.steps
    right = score_actions([[(real, real) for real, _ in steps]])
    assert right.exact == right.type_accuracy == right.macro_f1 == 1.0
    assert right.weighted == pytest.approx(1.0)
    assert all(same_action(real, real) for real, _ in steps)

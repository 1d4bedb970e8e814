"""Ranking: floors, standing, the best, elites, and what a score will be on fresh dialogues."""

from __future__ import annotations

import numpy as np
import pytest
from evolve_cases import scored

from personaevo.evolve import ranking
from personaevo.evolve.table import expected_score, likeliest, winner

FLOORS = {"task_preservation": 0.9}


def test_floors_are_held_and_not_traded() -> None:
    assert ranking.holds_floors(scored("a", 0.1, keeps=0.9).evaluation, FLOORS)
    assert not ranking.holds_floors(scored("a", 1.0, keeps=0.89).evaluation, FLOORS)
    assert not ranking.holds_floors(None, FLOORS)
    assert not ranking.holds_floors(None, {})
    assert ranking.holds_floors(scored("a").evaluation, {"what was not measured": 0.9})


def test_where_the_score_is_nothing_the_worst_objective_orders() -> None:
    """So that a search has a way up from there."""
    low, lower, high = scored("low", 0.9, 0.8, -0.1), scored("lower", 0.9, 0.9, -0.4), scored("high", 0.1)
    assert ranking.standing(low.evaluation) == -0.1
    assert ranking.standing(high.evaluation) == high.score == pytest.approx(0.1)
    assert ranking.ranked((one.evaluation, one) for one in (lower, low, high)) == [high, low, lower]
    assert ranking.standing(scored("zero", 0.9, 0.9, 0.0).evaluation) == 0.0


def test_objectives_of_another_scoring_are_named() -> None:
    one = scored("a", 0.9, 0.8, -0.1)
    assert ranking.standing(one.evaluation, ["human_likeness", "coverage"]) == 0.8
    assert ranking.lower_bound(one.evaluation, ["human_likeness"]) == 0.9


def test_best_is_by_lower_bound_and_the_earlier_on_ties() -> None:
    sure, bold = scored("sure", 0.8, se=0.01), scored("bold", 0.82, se=0.2)
    assert ranking.best_of([bold, sure]) is sure
    again = scored("again", 0.8, se=0.01)
    assert ranking.best_of([sure, again]) is sure
    assert ranking.best_of([again, sure]) is again
    assert ranking.ranked((one.evaluation, one) for one in (again, bold, sure)) == [again, sure, bold]


def test_elites_are_the_best_lower_bounds_and_the_earlier_on_ties() -> None:
    first, second, third = scored("a", cells={0: 0.5, 1: 0.9}), scored("b", cells={0: 0.5, 2: 0.1}), scored("c", cells={1: 0.95, 3: 0.0})
    elites = ranking.elites([first, second, third])
    assert {cell: one.program_id for cell, one in elites.items()} == {0: "a", 1: "c", 2: "b"}  # 0: tie; 3: nothing scored there
    assert list(elites) == [0, 1, 2]
    assert ranking.elites([]) == {}


# -- what a score will be ------------------------------------------------------------------------------------------------------


def test_expected_is_drawn_toward_its_like() -> None:
    others = [0.1, 0.2, 0.5, 0.6, 0.7, 0.8]
    assert ranking.expected(0.8, 0.0, others) == pytest.approx(0.8)
    assert ranking.expected(0.8, 9.0, others) == pytest.approx(0.7)  # the mean of the better half
    assert 0.7 < ranking.expected(0.8, 0.05, others) < 0.8
    assert ranking.expected(0.8, 0.05, [0.8, 0.7, 0.6]) == 0.8  # too few


def test_the_best_of_many_is_best_by_luck_too() -> None:
    """Programs whose true scores differ less than their errors: what is expected of the best is nearer to the truth than its score."""
    rng, raw, drawn = np.random.default_rng(1), [], []
    for _ in range(200):
        truth = 0.6 + 0.05 * rng.normal(size=40)
        scores = truth + 0.08 * rng.normal(size=40)
        best = int(scores.argmax())
        raw.append(scores[best] - truth[best])
        drawn.append(ranking.expected(float(scores[best]), 0.08, scores.tolist()) - truth[best])
    assert np.mean(raw) > 0.08
    assert abs(np.mean(drawn)) < 0.4 * np.mean(raw)


# -- finals --------------------------------------------------------------------------------------------------------------------


def test_few_dialogues_move_a_stand_in_by_what_is_more_than_their_error() -> None:
    prior = {f"p{index}": scored(f"p{index}", share).evaluation for index, share in enumerate((0.2, 0.8, 0.5, 0.7))}
    by_luck = [scored(f"p{index}", share, se=0.5) for index, share in enumerate((0.6, 0.5, 0.55, 0.4))]
    assert [one.program_id for one in likeliest(by_luck, 4, prior)] == ["p1", "p3", "p2", "p0"]  # as the stand-in says
    certain = [scored(one.program_id, one.score, se=0.0) for one in by_luck]
    assert [one.program_id for one in likeliest(certain, 4, prior)] == ["p0", "p2", "p1", "p3"]  # as was seen
    alike = [scored(f"p{index}", share - 0.15, se=0.0) for index, share in enumerate((0.2, 0.8, 0.5, 0.7))]
    assert likeliest(alike, 1, prior)[0].program_id == "p1"  # what all depart by alike orders nothing


def test_an_objective_that_is_nothing_by_luck_does_not_choose() -> None:
    """Consistency of few dialogues is 0 for most, and then has no error: the seed program's luck must not win."""
    prior = {f"p{index}": scored(f"p{index}", *shares).evaluation for index, shares in enumerate([(0.2, 0.4, 0.9), *[(0.8, 0.9, 0.9)] * 4])}
    seen = [scored("p0", 0.2, 0.4, 0.8, se=0.4), *(scored(f"p{index}", 0.7, 0.9, 0.0) for index in range(1, 5))]
    assert likeliest(seen, 1, prior)[0].program_id == "p1"


def test_the_winner_holds_the_floors() -> None:
    bold, fair, low = scored("bold", 0.9, keeps=0.5), scored("fair", 0.6), scored("low", 0.3, -0.2)
    evaluations = [one.evaluation for one in (low, bold, fair)]
    assert winner(evaluations, FLOORS) is fair.evaluation
    assert winner(evaluations[:2], FLOORS) is low.evaluation
    assert winner([bold.evaluation], FLOORS) is bold.evaluation  # none holds them
    twin = scored("twin", 0.6)
    assert winner([fair.evaluation, twin.evaluation], FLOORS) is fair.evaluation


def test_the_winner_of_few_is_expected_as_it_is() -> None:
    finals = [scored(f"p{index}", share, se=0.05).evaluation for index, share in enumerate((0.5, 0.55, 0.6, 0.65, 0.7))]
    assert 0.6 < expected_score(finals, finals[-1]) < finals[-1].objectives["score"].value
    assert expected_score(finals[:3], finals[2]) == pytest.approx(0.6)

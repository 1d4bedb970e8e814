"""The scorer: levels computed once, order that does not matter, errors by whole generate calls, cells, what an added objective needs."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import CALLS, NAMES, PERSONAS, POPULATIONS, episodes, evaluated, failing, pairs, scorer

from personaevo.evolve.ranking import holds_floors
from personaevo.judge import objectives
from personaevo.judge.objectives.builtin import coverage_level
from personaevo.records import PlanItem


@given(st.integers(0, 2**32))
@settings(max_examples=15)
def test_the_order_of_dialogues_does_not_matter(seed: int) -> None:
    """Calls are numbered by the order in which they come, so replicates come in another order; values and errors stay."""
    played = failing(episodes(pairs(PERSONAS, 3)), {4, 11})
    mixed = random.Random(seed).sample(played, len(played))
    first, second = evaluated(played), evaluated(mixed)
    for name, one in first.objectives.items():
        assert second.objectives[name].value == pytest.approx(one.value, abs=1e-9)
        assert second.objectives[name].se == pytest.approx(one.se, abs=1e-9)
        assert sorted(second.objectives[name].replicates) == pytest.approx(sorted(one.replicates), abs=1e-9)
    assert [one.cell for one in second.cells] == [one.cell for one in first.cells]
    assert [one.score for one in second.cells] == pytest.approx([one.score for one in first.cells])


def test_levels_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    fresh = replace(scorer(), _levels={})
    real = objectives.objectives()
    counting = tuple(replace(one, level=lambda by, n, one=one: (counted.append(n), one.level(by, n))[1]) for one in real)
    monkeypatch.setattr("personaevo.judge.scorer.objectives", lambda: counting)
    assert fresh.levels(20) is fresh.levels(20)
    assert evaluated(episodes(pairs(10, 1)), fresh)
    assert evaluated(episodes(pairs(10, 2)), fresh)
    assert counted == [20] * len(real)
    assert fresh.levels(20) == scorer().levels(20)


def test_levels_of_coverage_grow_nearer_with_numbers() -> None:
    """Few dialogues show less of themselves: for people and the persona-free simulator alike."""
    found = [coverage_level(scorer(), n) for n in (10, 40, 160)]
    assert found[0].people > found[1].people > found[2].people > 0
    assert all(one.zero > one.people for one in found)


def test_without_others_levels_come_from_the_same_people() -> None:
    alone = scorer(others=False).levels(2 * PERSONAS)
    beside = scorer().levels(2 * PERSONAS)
    for name in ("human_likeness", "coverage", "overlap"):
        ours, theirs = alone[name], beside[name]
        assert ours is not None
        assert theirs is not None
        assert ours.people == pytest.approx(theirs.people, rel=0.3)


def test_scoring_is_repeatable_and_leaves_the_dialogues_alone() -> None:
    played = episodes(pairs(10, 5))
    assert scorer().score("program", played) == scorer().score("program", played)
    assert all(one.p_human is None and one.cell is None for one in played)


def test_judged_dialogues_have_a_chance_and_failed_ones_have_none() -> None:
    judged = scorer().judged(failing(episodes(pairs(10, 5)), {3}))
    assert [one.p_human is None for one in judged] == [index == 3 for index in range(20)]
    assert judged[3].cell is None
    assert all(0.0 <= one.p_human <= 1.0 for one in judged if one.p_human is not None)


def test_what_lies_outside_all_cells_is_in_none() -> None:
    far = episodes(np.full((4, 2, len(NAMES)), 50.0))
    found, judged = scorer().score("program", far)
    assert all(one.cell is None and one.p_human is not None for one in judged)
    assert found.cells == ()
    assert found.objectives["overlap"].raw == 0.0


# -- standard errors -----------------------------------------------------------------------------------------------------------


def test_errors_go_by_generate_call() -> None:
    """The same dialogues: alike inside their calls they say less than when every call has all kinds."""
    values = np.concatenate([pairs(15, 7), pairs(15, 8, scale=0.2)])
    apart = [replace(one, item=PlanItem(f"task {index // 10}", index % 10 // 2, index)) for index, one in enumerate(episodes(values))]
    mixed = episodes(values)
    for name in ("human_likeness", "overlap"):
        first, second = evaluated(apart).objectives[name], evaluated(mixed).objectives[name]
        assert first.value == pytest.approx(second.value)
        assert first.se > 2 * second.se


def test_one_call_has_no_error() -> None:
    found = evaluated(episodes(pairs(10, 7), calls=1))
    assert {one.se for one in found.objectives.values()} == {0.0}
    assert {one.replicates for one in found.objectives.values()} == {()}


def test_the_error_of_a_mean_is_that_of_the_calls_means() -> None:
    judged = scorer().judged(episodes(pairs(PERSONAS, 3)))
    means = [np.mean([one.p_human or 0.0 for one in judged if one.item.task_id == f"task {call}"]) for call in range(CALLS)]
    level = scorer().levels(2 * PERSONAS)["human_likeness"]
    assert level is not None
    found = evaluated(episodes(pairs(PERSONAS, 3))).objectives["human_likeness"]
    assert found.se == pytest.approx(np.std(means, ddof=1) / CALLS**0.5 / level.people)


# -- cells ---------------------------------------------------------------------------------------------------------------------


def test_cell_scores_by_hand() -> None:
    """Share of what people have there (at most 1), times the mean capped human-likeness of those who are there and of failed ones, 0."""
    lost = {0, 9}
    found, judged = scorer().score("program", failing(episodes(pairs(PERSONAS, 11)), lost))
    level, planned = scorer().levels(2 * PERSONAS)["human_likeness"], 2 * PERSONAS
    assert level is not None
    assert {one.cell for one in found.cells} == {one.cell for one in judged} - {None}
    for cell in found.cells:
        inside = [min(1.0, (one.p_human or 0.0) / level.people) for one in judged if one.cell == cell.cell]
        likeness = sum(inside) / (len(inside) + len(lost))
        assert cell.share == pytest.approx(len(inside) / planned)
        assert cell.score == pytest.approx(min(1.0, cell.share / scorer().cells.masses[cell.cell]) * likeness)
        assert cell.low == cell.score - cell.se


@given(st.sampled_from(sorted(POPULATIONS)), st.sets(st.integers(0, 2 * PERSONAS - 1)), st.integers(0, 2 * PERSONAS - 1))
@settings(max_examples=25)
def test_failing_raises_no_cell(name: str, before: set[int], one: int) -> None:
    played = episodes(POPULATIONS[name](1))
    first, second = (evaluated(failing(played, rows)) for rows in (before - {one}, before | {one}))
    scores = {cell.cell: cell.score for cell in first.cells}
    assert all(cell.score <= scores[cell.cell] + 1e-12 for cell in second.cells)
    assert holds_floors(second, {"task_preservation": 0.9}) <= holds_floors(first, {"task_preservation": 0.9})


# -- reflection ----------------------------------------------------------------------------------------------------------------


def test_remarks_are_on_completed_dialogues() -> None:
    played = episodes(pairs(PERSONAS, 3, shift=1.5))
    some = failing(played, {0, 1, 2})
    assert [one.wanted for one in evaluated(some).remarks if one.feature in NAMES].count("less") == len(NAMES)
    assert {gap.feature for gap in scorer().gaps(some)} == set(NAMES)
    assert all(gap.mean > gap.people_mean for gap in scorer().gaps(some))

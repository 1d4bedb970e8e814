"""The panel: shares of what people get, failures that never pay, errors by whole generate calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.judge.discriminator import train
from personaevo.judge.panel import Panel
from personaevo.measure.cells import overlap, people_overlap, tessellate
from personaevo.records import Episode, Evaluation, Floats, PlanItem

NAMES = ("one", "two", "three")
CALLS = 6


def crowd(n: int, seed: int) -> Floats:
    """People of four kinds."""
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0, 0], [6, 0, 0], [0, 6, 0], [6, 6, 3]], dtype=float)
    return np.asarray(centers[rng.integers(4, size=n)] + rng.normal(size=(n, 3)))


def machines(n: int, seed: int) -> Floats:
    """What the persona-free simulator does: overlapping with one kind of people."""
    return np.asarray(np.random.default_rng(seed).normal(size=(n, 3)) + np.array([-1.5, -1.5, 2.0]))


@cache
def panel(held_out: bool = False) -> Panel:
    people, simulated = crowd(240, 1), machines(160, 2)
    judge = train(people, [str(index) for index in range(240)], simulated, [str(index // 4) for index in range(160)])
    cells = tessellate(people, 4, 0)
    return Panel("test" if held_out else "train", judge, cells, people, crowd(200, 3) if held_out else None, NAMES)


def episodes(values: Floats, calls: int = CALLS) -> list[Episode]:
    """Completed episodes, dealt to ``calls`` tasks in turn."""
    return [
        Episode(
            item=PlanItem(f"task {index % calls}", index // calls, index),
            state="completed",
            fingerprint=tuple(map(float, row)),
            preservation=1.0,
        )
        for index, row in enumerate(values)
    ]


def failed(episode: Episode) -> Episode:
    return replace(episode, state="failed", fingerprint=(), preservation=0.0, reason="it raised ValueError", fault="program")


def evaluated(played: Sequence[Episode], held_out: bool = False) -> Evaluation:
    return panel(held_out).score("program", played)[0]


# -- failures ------------------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    seed=st.integers(0, 30),
    human=st.floats(0, 1),
    failing=st.sets(st.integers(0, 29), max_size=29),
    one=st.integers(0, 29),
    held_out=st.booleans(),
)
def test_failing_never_raises_a_score(seed: int, human: float, failing: set[int], one: int, held_out: bool) -> None:
    """Whatever failed before: turning one more completed episode into a failed one raises nothing."""
    people, simulated = crowd(30, seed + 50), machines(30, seed + 90)
    mixed = np.where(np.random.default_rng(seed).random(30)[:, None] < human, people, simulated)
    before = [failed(episode) if index in failing - {one} else episode for index, episode in enumerate(episodes(mixed))]
    after = [failed(episode) if index == one else episode for index, episode in enumerate(before)]
    first, second = evaluated(before, held_out), evaluated(after, held_out)
    assert second.completed == first.completed - 1
    assert second.planned == first.planned == 30
    for name in ("human_likeness", "coverage", "score", "task_preservation"):
        assert second.objectives[name].raw <= first.objectives[name].raw + 1e-12
        assert second.objectives[name].value <= first.objectives[name].value + 1e-12
    cells = {cell.cell: cell.score for cell in first.cells}
    assert all(cell.score <= cells[cell.cell] + 1e-12 for cell in second.cells)


def test_a_failed_episode_counts_as_the_worst() -> None:
    played = episodes(crowd(20, 8))
    judged = panel().score("program", played)[1]
    half = [failed(episode) if index % 2 else episode for index, episode in enumerate(played)]
    found, marked = panel().score("program", half)
    expected = sum(episode.p_human or 0.0 for index, episode in enumerate(judged) if index % 2 == 0) / 20
    assert found.objectives["human_likeness"].raw == pytest.approx(expected)
    assert found.objectives["task_preservation"].raw == pytest.approx(0.5)
    assert (found.planned, found.completed) == (20, 10)
    assert [episode.cell is None for episode in marked] == [episode.state == "failed" for episode in marked]
    assert all(episode.p_human is None for episode in marked if episode.state == "failed")


def test_a_program_that_always_fails_gets_nothing() -> None:
    found = evaluated([failed(episode) for episode in episodes(crowd(12, 8))])
    assert {name: one.value for name, one in found.objectives.items()} == dict.fromkeys(found.objectives, 0.0)
    assert found.cells == ()
    assert found.remarks == ()
    assert (found.planned, found.completed) == (12, 0)


# -- shares --------------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(n=st.integers(2, 120), seed=st.integers(0, 20), held_out=st.booleans())
def test_shares_are_capped_at_one(n: int, seed: int, held_out: bool) -> None:
    found = evaluated(episodes(crowd(n, seed)), held_out)
    for name in ("human_likeness", "coverage", "score", "task_preservation", "chamfer"):
        assert 0.0 <= found.objectives[name].value <= 1.0
        assert found.objectives[name].se >= 0.0
    likeness, cover = (found.objectives[name].value for name in ("human_likeness", "coverage"))
    assert found.objectives["score"].value == pytest.approx((likeness + cover) / 2)
    assert all(0.0 <= cell.score <= 1.0 for cell in found.cells)
    assert sum(cell.share for cell in found.cells) == pytest.approx(1.0)


def test_people_get_one_and_the_simulator_little() -> None:
    people = [evaluated(episodes(crowd(60, seed)), held_out=True).objectives["score"].value for seed in range(20)]
    simulated = [evaluated(episodes(machines(60, seed)), held_out=True).objectives["score"].value for seed in range(20)]
    assert np.mean(people) >= 0.93
    assert np.mean(simulated) <= 0.5


@pytest.mark.parametrize("n", [5, 20, 80])
def test_coverage_is_compared_at_equal_numbers(n: int) -> None:
    """Few episodes cannot fill all cells, nor can equally few people: the share of a faithful population does not depend on n."""
    judge = panel()
    assert judge.people_coverage(n) == people_overlap(judge.people, judge.cells, n, draws=200, seed=0)
    raw = [evaluated(episodes(crowd(n, seed))).objectives["coverage"].raw for seed in range(60)]
    assert np.mean(raw) / judge.people_coverage(n) == pytest.approx(1.0, abs=0.06)
    one = evaluated(episodes(machines(n, 1))).objectives["coverage"]
    assert one.value == pytest.approx(min(1.0, one.raw / judge.people_coverage(n)))


def test_coverage_counts_planned_episodes() -> None:
    """Whose every second episode fails is compared with as many people as were planned."""
    played = [failed(episode) if index % 2 else episode for index, episode in enumerate(episodes(crowd(40, 4)))]
    found = evaluated(played).objectives["coverage"]
    assert found.value == pytest.approx(found.raw / panel().people_coverage(40))
    assert found.raw <= 0.5


def test_draws_of_held_out_people_are_measured_as_programs_are() -> None:
    judge = panel(held_out=True)
    assert judge.people_p_human != panel().people_p_human
    found = judge.people_draws(50)
    assert set(found) == {"human_likeness", "coverage", "score", "chamfer"}
    for name in ("human_likeness", "coverage", "score"):
        shares, raw = found[name]
        assert max(shares) <= 1.0
        assert 0.9 <= np.mean(shares) <= 1.0
        assert 0.0 < raw <= 1.0
    assert found["coverage"][1] == pytest.approx(judge.people_coverage(50))


# -- standard errors -----------------------------------------------------------------------------------------------------------


def test_errors_go_by_generate_call() -> None:
    """The same episodes: alike inside their calls they say less than when every call has all kinds."""
    people, simulated = crowd(30, 7), machines(30, 8)
    played = episodes(np.vstack([people, simulated]))
    apart = [replace(one, item=PlanItem(f"task {index // 10}", index % 10, index)) for index, one in enumerate(played)]
    mixed = [replace(one, item=PlanItem(f"task {index % 6}", index // 6, index)) for index, one in enumerate(played)]
    first, second = evaluated(apart).objectives, evaluated(mixed).objectives
    for name in ("human_likeness", "score"):
        assert first[name].value == pytest.approx(second[name].value)
        assert first[name].se > 2 * second[name].se


def test_one_call_has_no_error() -> None:
    found = evaluated(episodes(crowd(20, 7), calls=1))
    assert {one.se for one in found.objectives.values()} == {0.0}


def test_the_error_of_the_mean_is_that_of_the_calls_means() -> None:
    judged = panel().score("program", episodes(machines(120, 3), calls=12))[1]
    means = [np.mean([one.p_human or 0.0 for one in judged if one.item.task_id == f"task {call}"]) for call in range(12)]
    expected = np.std(means, ddof=1) / 12**0.5 / panel().people_p_human
    assert evaluated(episodes(machines(120, 3), calls=12)).objectives["human_likeness"].se == pytest.approx(expected, rel=0.15)


# -- cells ---------------------------------------------------------------------------------------------------------------------


def test_cell_scores_by_hand() -> None:
    """Share of what people have there (at most 1), times the mean capped human-likeness of those who are there."""
    judge = panel()
    found, judged = judge.score("program", episodes(np.vstack([crowd(20, 11), machines(10, 12)])))
    for cell in found.cells:
        inside = [one for one in judged if one.cell == cell.cell]
        likeness = np.mean([min(1.0, (one.p_human or 0.0) / judge.people_p_human) for one in inside])
        assert cell.share == pytest.approx(len(inside) / 30)
        assert cell.score == pytest.approx(min(1.0, cell.share / judge.cells.masses[cell.cell]) * likeness)
        assert cell.low == cell.score - cell.se
    assert {cell.cell for cell in found.cells} == {one.cell for one in judged}
    shares = np.zeros(4)
    shares[[cell.cell for cell in found.cells]] = [cell.share for cell in found.cells]
    assert found.objectives["coverage"].raw == pytest.approx(overlap(shares, judge.cells.masses))


def test_scoring_is_repeatable_and_leaves_the_episodes_alone() -> None:
    played = episodes(crowd(20, 5))
    assert panel().score("program", played) == panel().score("program", played)
    assert all(one.p_human is None and one.cell is None for one in played)

"""Parents: by the front of the objectives that steer, by the score, by the cells that are owned; kept up to date one by one."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from evolve_cases import scored
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.evolve import ranking, select
from personaevo.evolve.ranking import Scored
from personaevo.evolve.select import Population, vector
from personaevo.judge.objectives import SCORE, steering

SHARES = st.tuples(*[st.floats(-0.5, 1.5, allow_nan=False)] * 3)
TIES = st.tuples(*[st.sampled_from((0.0, 0.5, 1.0))] * 3)


def population(members: list[Scored]) -> Population:
    made = empty(members)
    for one in members:
        made.add(one)
    return made


def empty(members: list[Scored], keep: int = select.POOL) -> Population:
    known = {one.program_id: one for one in members}
    return Population(lambda ids: [known[key] for key in ids], keep)


def columns(members: list[Scored]) -> select.Columns:
    names = [*steering(), SCORE]
    found = {name: [one.evaluation.objectives.get(name) for one in members] for name in names}
    values = {name: np.array([one.value if one else 0.0 for one in column]) for name, column in found.items()}
    measured = {name: np.array([one is not None for one in column], dtype=bool) for name, column in found.items()}
    errors = np.array([one.se if one else 0.0 for one in found[SCORE]])
    return select.Columns([one.program_id for one in members], values, measured, errors)


@given(
    st.lists(st.tuples(st.one_of(SHARES, TIES), st.dictionaries(st.integers(0, 5), st.floats(0.01, 1))), min_size=1, max_size=30),
    st.integers(0, 30), st.integers(0, 2**32),
)
@settings(max_examples=80)
def test_many_at_once_are_as_one_by_one(rows: list[tuple[tuple[float, ...], dict[int, float]]], first: int, seed: int) -> None:
    """A search that goes on after a million candidates chooses as if it had been told all of them."""
    members = [scored(f"p{index}", *shares, cells=cells) for index, (shares, cells) in enumerate(rows)]
    whole, at_once = population(members), empty(members)
    owners = {cell: one.program_id for cell, one in ranking.elites(members[:first]).items()}
    at_once.index(columns(members[:first]), owners)
    for one in members[first:]:
        at_once.add(one)
    assert at_once.front == whole.front
    assert at_once.top(select.POOL) == whole.top(select.POOL)
    assert dict(at_once.elites) == dict(whole.elites)
    assert at_once.expected == whole.expected
    masses = {cell: 0.1 * (cell + 1) for cell in range(6)}
    drawn = [[one.choose(masses, random.Random(seed + draw)) for draw in range(10)] for one in (whole, at_once)]
    assert drawn[0] == drawn[1]


def not_dominated(members: list[Scored]) -> list[str]:
    """Those that no other is at least as good as in everything and better in something; the first of equals."""
    vectors = [vector(one.evaluation) for one in members]
    return [
        one.program_id for index, one in enumerate(members)
        if vectors[index] not in vectors[:index]
        and not any(all(a >= b for a, b in zip(other, vectors[index], strict=True)) and other != vectors[index] for other in vectors)
    ]  # fmt: skip


@given(st.lists(st.one_of(SHARES, TIES), min_size=1, max_size=40))
@settings(max_examples=80)
def test_the_front_is_the_set_of_those_that_nobody_dominates(rows: list[tuple[float, ...]]) -> None:
    """Told one by one, it is what a look at all of them gives; also beyond what people get, and below nothing."""
    members = [scored(f"p{index}", *row) for index, row in enumerate(rows)]
    made = population(members)
    assert sorted(one.program_id for one in made.front) == sorted(not_dominated(members))
    assert made.members == members
    assert len(made) == len(members)


@given(st.lists(st.tuples(SHARES, st.dictionaries(st.integers(0, 5), st.floats(0, 1))), min_size=1, max_size=30), st.integers(0, 2**32))
@settings(max_examples=50)
def test_best_and_elites_are_those_of_all(rows: list[tuple[tuple[float, ...], dict[int, float]]], seed: int) -> None:
    members = [scored(f"p{index}", *shares, cells=cells) for index, (shares, cells) in enumerate(rows)]
    made = population(members)
    assert made.best is ranking.best_of(members)
    assert made.elites == ranking.elites(members)
    assert made.top(3) == ranking.ranked((one.evaluation, one) for one in members)[:3]
    standing = ranking.ranked((one.evaluation, one) for one in members)[: select.POOL]
    assert {made.by_score(random.Random(seed + draw)).program_id for draw in range(40)} <= {one.program_id for one in standing}


@given(st.lists(SHARES, min_size=1, max_size=30), st.integers(0, 2**32))
@settings(max_examples=40)
def test_choosing_uses_its_own_chance(rows: list[tuple[float, ...]], seed: int) -> None:
    made = population([scored(f"p{index}", *row, cells={index % 4: 0.5}) for index, row in enumerate(rows)])
    before = random.getstate()
    chosen = [made.choose({0: 0.5, 1: 0.5}, random.Random(seed)) for _ in range(2)]
    assert random.getstate() == before
    assert chosen[0] is chosen[1]
    assert chosen[0] in made.members


def test_parents_by_the_front_are_on_it() -> None:
    made = population([scored(f"b{index}", index / 30, 0.2 - index / 50) for index in range(10)])
    front = [scored(f"f{index}", index / 10, 1 - index / 10) for index in range(select.POOL + 4)]
    for one in front:
        made.add(one)
    picked = Counter(made.by_front(random.Random(seed)).program_id for seed in range(200))
    assert set(picked) <= {one.program_id for one in front}
    assert 3 < len(picked) <= select.POOL  # the least crowded of them
    assert picked["f0"] > 200 / select.POOL  # an end of the front


def test_the_better_is_a_parent_more_often() -> None:
    made = population([scored(f"p{index}", index / 20) for index in range(15)])
    picked = Counter(made.by_score(random.Random(seed)).program_id for seed in range(900))
    assert set(picked) == {f"p{index}" for index in range(7, 15)}
    assert picked["p14"] / 900 == pytest.approx(64 / 204, abs=0.05)
    assert picked["p7"] / 900 == pytest.approx(1 / 204, abs=0.02)


def test_owners_are_drawn_by_the_people_in_their_cells() -> None:
    made = population([scored("large", cells={0: 0.9, 1: 0.9}), scored("small", cells={2: 0.9}), scored("none", cells={0: 0.1})])
    drawn = Counter(made.by_cells({0: 0.4, 1: 0.4, 2: 0.2}, random.Random(seed)).program_id for seed in range(500))
    assert set(drawn) == {"large", "small"}
    assert drawn["large"] / drawn["small"] == pytest.approx(16, rel=0.5)  # (0.8 / 0.2) squared


def test_without_elites_any_program_may_be_a_parent() -> None:
    made = population([scored("a"), scored("b", 0.1)])
    assert {made.by_cells({0: 1.0}, random.Random(seed)).program_id for seed in range(20)} == {"a", "b"}


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        population([scored("a", float("nan"))])


def test_an_objective_that_was_not_measured_counts_as_nothing() -> None:
    one = scored("a", 0.5, 0.6, 0.7)
    del one.evaluation.objectives["consistency"]  # type: ignore[attr-defined]
    assert vector(one.evaluation) == [0.5, 0.6, 0.0]


def test_an_empty_population() -> None:
    made = empty([])
    assert (made.best, made.expected, dict(made.elites), made.front) == (None, None, {}, [])

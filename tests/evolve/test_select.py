"""Parents: NSGA-II on the objectives, owners of cells, the best program; ties, and DEAP kept from the global random state."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from evolve_cases import scored
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.evolve import select

SHARE = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=30), st.integers(0, 2**32))
@settings(max_examples=60)
def test_nsga2_leaves_the_global_random_state_and_picks_from_the_population(values: list[tuple[float, float]], seed: int) -> None:
    population = [scored(f"p{index}", *pair) for index, pair in enumerate(values)]
    before = random.getstate()
    chosen = select.nsga2(population, random.Random(seed))
    assert random.getstate() == before
    assert chosen is select.nsga2(population, random.Random(seed))
    assert chosen in population


def test_state_is_restored_when_deap_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        random.random()
        raise ZeroDivisionError

    monkeypatch.setattr(select.tools, "selNSGA2", fail)
    before = random.getstate()
    with pytest.raises(ZeroDivisionError):
        select.nsga2([scored("a")], random.Random(1))
    assert random.getstate() == before


def test_nsga2_takes_from_the_front() -> None:
    front = [scored(f"f{index}", index / 10, 1 - index / 10) for index in range(select.POOL)]
    behind = [scored(f"b{index}", index / 30, 0.2 - index / 50) for index in range(10)]
    picked = {select.nsga2(behind + front, random.Random(seed)).program_id for seed in range(80)}
    assert picked <= {one.program_id for one in front}
    assert len(picked) > 3


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        select.nsga2([scored("a", float("nan"))], random.Random(1))


def test_elites_are_the_best_lower_bounds_and_the_earlier_on_ties() -> None:
    first, second, third = scored("a", cells={0: 0.5, 1: 0.9}), scored("b", cells={0: 0.5, 2: 0.1}), scored("c", cells={1: 0.95, 3: 0.0})
    elites = select.elites([first, second, third])
    assert {cell: one.program_id for cell, one in elites.items()} == {0: "a", 1: "c", 2: "b"}  # 0: tie; 3: nothing scored there
    assert list(elites) == [0, 1, 2]
    assert select.elites([]) == {}


def test_best_is_by_lower_bound_and_the_earlier_on_ties() -> None:
    sure, bold = scored("sure", 0.8, 0.8, se=0.01), scored("bold", 0.82, 0.82, se=0.2)
    assert select.best_of([bold, sure]) is sure
    again = scored("again", 0.8, 0.8, se=0.01)
    assert select.best_of([sure, again]) is sure
    assert select.best_of([again, sure]) is again


def test_owners_are_drawn_by_the_people_in_their_cells() -> None:
    population = [scored("large", cells={0: 0.9, 1: 0.9}), scored("small", cells={2: 0.9}), scored("none", cells={0: 0.1})]
    drawn = Counter(select.owner(population, {0: 0.4, 1: 0.4, 2: 0.2}, random.Random(seed)).program_id for seed in range(500))
    assert set(drawn) == {"large", "small"}
    assert drawn["large"] / drawn["small"] == pytest.approx(16, rel=0.5)  # (0.8 / 0.2) squared


def test_without_elites_any_program_may_be_a_parent() -> None:
    population = [scored("a"), scored("b")]
    assert {select.owner(population, {0: 1.0}, random.Random(seed)).program_id for seed in range(20)} == {"a", "b"}

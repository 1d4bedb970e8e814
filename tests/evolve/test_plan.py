"""The evaluation plan: one for all candidates, spread over the tasks, seeded by what things are and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.evolve.rollout import make_plan
from personaevo.records import Task

TASKS = [Task(id=f"t{number}", goal="go", group="abc"[number % 3]) for number in range(12)]


def plan_of(**changes: Any) -> Any:
    return make_plan(**{"tasks": TASKS, "at_most": 6, "personas": 3, "seed": 1, "purpose": "train", **changes})


def test_same_arguments_same_plan() -> None:
    assert plan_of() == plan_of()
    assert plan_of() == plan_of(tasks=TASKS[::-1])
    assert plan_of().items != plan_of(seed=2).items
    assert plan_of().items != plan_of(purpose="test").items


def test_prefix_is_spread_over_the_tasks_and_both_dialogues_of_a_persona_stand_together() -> None:
    plan = plan_of()
    assert len(plan.items) == 36
    for slot in range(3):
        part = plan.items[12 * slot : 12 * slot + 12]
        assert {item.slot for item in part} == {slot}
        assert [item.task_id for item in part] == [task.id for task in plan.tasks for _ in range(2)]
    assert plan.slots == [(task.id, slot) for slot in range(3) for task in plan.tasks]


def test_groups_take_turns() -> None:
    groups = [task.group for task in plan_of().tasks]
    assert set(groups[:3]) == set(groups[3:]) == {"a", "b", "c"}


def test_seeds_depend_on_parts_only() -> None:
    """A dialogue's seed is the same however many tasks, personas and dialogues are beside it; no two are alike."""
    large, few, once = plan_of(at_most=12, personas=5), plan_of(at_most=4, personas=2), plan_of(dialogues=1)
    seeds: dict[tuple[str, int], list[int]] = {}
    for item in large.items:
        seeds.setdefault((item.task_id, item.slot), []).append(item.seed)
    for plan in (few, once):
        for item in plan.items:
            assert item.seed in seeds[item.task_id, item.slot]
    assert [item.seed for item in once.items] == [item.seed for item in plan_of().items[::2]]
    assert len({item.seed for item in large.items}) == len(large.items) == 120
    assert large.generate_seed("t1") == few.generate_seed("t1") != few.generate_seed("t2")
    assert large.generate_seed("t1") != replace(large, purpose="test").generate_seed("t1")


@given(at_most=st.integers(1, 20), personas=st.integers(1, 6), dialogues=st.integers(1, 3), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=50)
def test_every_planned_dialogue_once(at_most: int, personas: int, dialogues: int, seed: int) -> None:
    plan = plan_of(at_most=at_most, personas=personas, dialogues=dialogues, seed=seed)
    assert len(plan.tasks) == min(at_most, len(TASKS))
    expected = [(task.id, slot) for task in plan.tasks for slot in range(personas)]
    assert sorted((item.task_id, item.slot) for item in plan.items) == sorted(expected * dialogues)
    assert len({item.seed for item in plan.items}) == len(plan.items)

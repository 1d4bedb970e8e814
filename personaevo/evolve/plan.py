"""Evaluation plans, roll-outs of programs on them, and trials of sources that a model wrote. Worker processes run this code.

A plan is one seeded list of (task, slot, episode seed), the same for every candidate (common random numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaevo.records import PlanItem, Task
from personaevo.shipping import Shared
from personaevo.simulate.seeds import seed_of

DIALOGUES = 2  # dialogues of each persona on its task, for measuring consistency


@dataclass(frozen=True)
class Plan(Shared):
    """Episodes to play: ``items`` are ordered slot by slot over all tasks, so that a prefix covers the tasks evenly; the dialogues of one
    persona are adjacent.

    ``personas`` is the argument n of every ``generate`` call, also for a prefix of the plan.
    """

    seed: int
    purpose: str
    tasks: tuple[Task, ...]
    personas: int
    items: tuple[PlanItem, ...]

    def generate_seed(self, task_id: str) -> int:
        """Seed of the ``generate`` call for a task."""
        return seed_of(self.seed, self.purpose, task_id, "generate")

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Task and slot of every persona, in the order of the items."""
        return list(dict.fromkeys((item.task_id, item.slot) for item in self.items))


def make_plan(
    tasks: Sequence[Task], *, at_most: int, personas: int, seed: int, purpose: str, dialogues: int = DIALOGUES
) -> Plan:
    """A plan over at most ``at_most`` tasks, with ``personas`` personas per task and ``dialogues`` dialogues per persona. Tasks are drawn
    by seed, evenly over their groups."""
    chosen = _drawn(tasks, at_most, seed, purpose)
    items = []
    for slot in range(personas):
        for task in chosen:
            for repeat in range(dialogues):
                episode_seed = seed_of(seed, purpose, task.id, slot, "episode", *([repeat] if repeat else []))
                items.append(PlanItem(task.id, slot, episode_seed))
    return Plan(seed, purpose, tuple(chosen), personas, tuple(items))


def _drawn(tasks: Sequence[Task], at_most: int, seed: int, purpose: str) -> list[Task]:
    """Draw tasks by seed in an order that alternates between groups."""
    order = sorted(tasks, key=lambda task: seed_of(seed, purpose, task.id, "order"))
    seen: dict[str, int] = {}
    rank = {}
    for task in order:
        rank[task.id] = seen[task.group] = seen.get(task.group, -1) + 1
    return sorted(order, key=lambda task: rank[task.id])[:at_most]

"""The evaluation plan: one seeded list of (task, slot, episode seed), the same for every candidate (common random numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaevo.records import PlanItem, Task
from personaevo.simulate.episodes import seed_of


@dataclass(frozen=True)
class Plan:
    """Which episodes to play: ``items`` in order, slot by slot over all tasks, so that a prefix is spread over the tasks.

    ``personas`` is the n that ``generate`` is always called with, however short the prefix. ``generate_seed(task_id)`` seeds the call.
    """

    seed: int
    purpose: str
    tasks: tuple[Task, ...]
    personas: int
    items: tuple[PlanItem, ...]

    def generate_seed(self, task_id: str) -> int:
        """Seed of the ``generate`` call for a task."""
        return seed_of(self.seed, self.purpose, task_id, "generate")


def make_plan(tasks: Sequence[Task], *, at_most: int, personas: int, seed: int, purpose: str) -> Plan:
    """A plan over ``at_most`` of the tasks, drawn by seed so that their groups take turns, with ``personas`` episodes each."""
    chosen = _drawn(tasks, at_most, seed, purpose)
    items = tuple(
        PlanItem(task.id, slot, seed_of(seed, purpose, task.id, slot, "episode")) for slot in range(personas) for task in chosen
    )
    return Plan(seed, purpose, tuple(chosen), personas, items)


def _drawn(tasks: Sequence[Task], at_most: int, seed: int, purpose: str) -> list[Task]:
    order = sorted(tasks, key=lambda task: seed_of(seed, purpose, task.id, "order"))
    seen: dict[str, int] = {}
    rank = {}
    for task in order:
        rank[task.id] = seen[task.group] = seen.get(task.group, -1) + 1
    return sorted(order, key=lambda task: rank[task.id])[:at_most]

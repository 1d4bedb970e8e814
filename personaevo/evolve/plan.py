"""The evaluation plan: one seeded list of (task, slot, episode seed), the same for every candidate (common random numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from personaevo.records import PlanItem, Task
from personaevo.shipping import Shared
from personaevo.simulate.seeds import seed_of

DIALOGUES = 2  # of each persona, on its own task: what consistency is measured on


@dataclass(frozen=True)
class Plan(Shared):
    """Which episodes to play: ``items`` in order, slot by slot over all tasks, so that a prefix is spread over the tasks; the dialogues of
    one persona stand together.

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

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Task and slot of every persona, in the order of the items."""
        return list(dict.fromkeys((item.task_id, item.slot) for item in self.items))


def make_plan(
    tasks: Sequence[Task], *, at_most: int, personas: int, seed: int, purpose: str, dialogues: int = DIALOGUES
) -> Plan:
    """A plan over ``at_most`` of the tasks, drawn by seed so that their groups take turns, with ``personas`` personas each, who have
    ``dialogues`` dialogues each."""
    chosen = _drawn(tasks, at_most, seed, purpose)
    items = tuple(
        PlanItem(task.id, slot, _episode_seed(seed, purpose, task.id, slot, repeat))
        for slot in range(personas) for task in chosen for repeat in range(dialogues)
    )  # fmt: skip
    return Plan(seed, purpose, tuple(chosen), personas, items)


def _episode_seed(seed: int, purpose: str, task_id: str, slot: int, repeat: int) -> int:
    return seed_of(seed, purpose, task_id, slot, "episode", *([repeat] if repeat else []))


def _drawn(tasks: Sequence[Task], at_most: int, seed: int, purpose: str) -> list[Task]:
    order = sorted(tasks, key=lambda task: seed_of(seed, purpose, task.id, "order"))
    seen: dict[str, int] = {}
    rank = {}
    for task in order:
        rank[task.id] = seen[task.group] = seen.get(task.group, -1) + 1
    return sorted(order, key=lambda task: rank[task.id])[:at_most]

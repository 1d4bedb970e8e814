"""Task preservation: a persona changes how somebody talks, never what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personaevo.judge.objectives.base import Objective, mean_over_dialogues
from personaevo.records import Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer


def level(scorer: Scorer, n: int) -> Level:
    """All checks hold; people had other tasks, so they are not asked."""
    return Level(0.0, 1.0)


OBJECTIVE = Objective(
    name="task_preservation", meaning="facts stated are the task's, asked-for facts are given, the goal is pursued; held, not traded",
    needs="dialogue", raw=mean_over_dialogues(lambda episode: episode.preservation), level=level, role="holds", floor=0.9, order=4,
)  # fmt: skip

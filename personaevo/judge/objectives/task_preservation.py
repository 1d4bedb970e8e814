"""Task preservation: a persona may change how a user talks, but not what the user asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from personaevo.judge.objectives.base import Objective, mean_over_dialogues
from personaevo.records import Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer

# --- task preservation: a persona may change how a user talks, but not what the user asks for


def preservation_level(scorer: Scorer, n: int) -> Level:
    """1: all checks pass. It is not measured on people, since they had other tasks."""
    return Level(0.0, 1.0)


TASK_PRESERVATION = Objective(
    name="task_preservation", meaning="facts stated are the task's, asked-for facts are given, the goal is pursued; held, not traded",
    needs="dialogue", raw=mean_over_dialogues(lambda episode: episode.preservation), level=preservation_level, role="holds", floor=0.9,
    order=4,
)  # fmt: skip

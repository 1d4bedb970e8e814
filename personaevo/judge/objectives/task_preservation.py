"""Task preservation: a persona may change how a user talks, but not what the user asks for."""

from __future__ import annotations

from personaevo.judge.objectives.base import Objective, mean_over_dialogues
from personaevo.records import Level

# --- task preservation: a persona may change how a user talks, but not what the user asks for


TASK_PRESERVATION = Objective(
    name="task_preservation", meaning="facts stated are the task's, asked-for facts are given, the goal is pursued; held, not traded",
    needs="dialogue", role="holds", floor=0.9, order=4,
    raw=mean_over_dialogues(lambda episode: episode.preservation),
    level=lambda scorer, n: Level(0.0, 1.0),  # all checks pass; it is not measured on people, since they had other tasks
)  # fmt: skip

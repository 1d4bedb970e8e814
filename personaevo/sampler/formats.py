"""Personas as rows for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from personaevo.sampler.persona import SampledPersona

Format = Literal["jsonl", "mirrorbench"]


def rows(personas: Sequence[SampledPersona], form: Format, goals: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """One JSON-able row for each persona.

    "jsonl" has all its fields. "mirrorbench" is a line of MirrorBench's JSON lines, whose user proxies read ``metadata.persona``: the text
    to be laid over their prompt. Its ``turns`` are empty: a reference conversation is the user's own. ``goals`` has the goals of tasks by
    id, for ``task_description``; null where a task is not among them.
    """
    if form == "jsonl":
        return [persona.to_dict() for persona in personas]
    return [_mirrorbench(persona, (goals or {}).get(persona.task)) for persona in personas]


def _mirrorbench(persona: SampledPersona, goal: str | None) -> dict[str, Any]:
    origin = {"persona_id": persona.id, "program": persona.program, "cell": persona.cell, "cell_name": persona.cell_name}
    return {
        "conversation_id": persona.id,
        "dataset": "personaevo",
        "task_description": goal,
        "turns": [],
        "metadata": {"persona": persona.overlay("").strip(), "archive": persona.archive, "task": persona.task, **origin},
    }

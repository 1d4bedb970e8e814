"""Personas as rows for other programs."""

from __future__ import annotations

import json

from sampler_cases import TASKS

from personaevo.sampler import PersonaSampler
from personaevo.sampler.formats import rows


def test_json_lines_have_all_of_a_persona(stored: PersonaSampler) -> None:
    personas = stored.sample(n=3)
    assert rows(personas, "jsonl") == [json.loads(json.dumps(persona.to_dict())) for persona in personas]


def test_mirrorbench_rows_carry_the_text_of_the_persona(stored: PersonaSampler) -> None:
    personas = stored.sample(n=12)
    made = rows(personas, "mirrorbench", {TASKS[0]: "change a flight"})
    for row, persona in zip(json.loads(json.dumps(made)), personas, strict=True):
        assert row["metadata"]["persona"] == persona.overlay("").strip()
        assert persona.description in row["metadata"]["persona"]
        assert row["conversation_id"] == row["metadata"]["persona_id"] == persona.id
        assert row["task_description"] == ("change a flight" if persona.task == TASKS[0] else None)

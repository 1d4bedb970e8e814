"""Personas as rows for other programs."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sampler_cases import TASKS

from personaevo.errors import InputError
from personaevo.records import Task
from personaevo.sampler import PersonaSampler, SampledPersona
from personaevo.sampler.sampler import mirrorbench_row, rows
from tests.standins.loaders import refused_by_deepeval, refused_by_inspect, refused_by_mirrorbench, refused_by_usersim

KNOWN = {
    TASKS[0]: Task(id=TASKS[0], goal="change a flight", facts={"booking": "QK7L2", "name": "Ada"}, context="It is late.", domain="service"),
    TASKS[1]: Task(id=TASKS[1], goal="get help.", domain="service"),
}


def test_json_lines_have_all_of_a_persona(stored: PersonaSampler) -> None:
    personas = stored.sample(n=3)
    assert rows(personas, "jsonl") == [json.loads(json.dumps(persona.to_dict())) for persona in personas]


def test_mirrorbench_takes_the_rows(stored: PersonaSampler) -> None:
    personas = stored.sample(n=300)  # more than there are: some come twice
    made = rows(personas, "mirrorbench", KNOWN)
    refused_by_mirrorbench(made)
    assert made == rows(personas, "mirrorbench", KNOWN)
    for row, persona in zip(json.loads(json.dumps(made)), personas, strict=True):
        assert row["metadata"]["persona"] == persona.overlay("").strip()
        assert persona.description in row["metadata"]["persona"]
        assert (row["metadata"]["persona_id"], row["metadata"]["task"]) == (persona.id, persona.task)
        assert row["turns"][0]["role"] == "user"  # who opens in service
        assert sum(turn["role"] == "user" for turn in row["turns"]) >= 1


def test_other_loaders_take_their_rows(stored: PersonaSampler) -> None:
    personas = stored.sample(n=300)
    made = {form: json.loads(json.dumps(rows(personas, form, KNOWN))) for form in ("deepeval", "inspect", "usersim")}
    refused_by_deepeval(made["deepeval"])
    refused_by_inspect(made["inspect"])
    refused_by_usersim(made["usersim"])
    for golden, sample, person, persona in zip(*made.values(), personas, strict=True):
        assert golden["persona"]["characteristics"] == sample["metadata"]["persona"] == person["persona"] == persona.text
        assert golden["scenario"] == sample["input"]
        assert all(value in sample["input"] for value in KNOWN[persona.task].facts.values())


def test_the_description_has_the_facts(stored: PersonaSampler) -> None:
    told = {row["metadata"]["task"]: row["task_description"] for row in rows(stored.sample(n=40), "mirrorbench", KNOWN)}
    assert told[TASKS[0]] == (
        "Talk to a service agent. In your own words: I want to change a flight. It is late. What you know: booking: QK7L2; name: Ada. "
        "Tell it when asked, and make up nothing else."
    )
    assert told[TASKS[1]] == "Talk to a service agent. In your own words: I want to get help. You know nothing else."


def test_without_the_task_there_are_no_turns(stored: PersonaSampler) -> None:
    (persona,) = stored.sample(n=1)
    with pytest.raises(InputError, match=r"its task '.*' was not found, and the rows contain it: give it with --task FILE"):
        rows([persona], "mirrorbench", {})
    with pytest.raises(InputError, match="and the rows contain it"):
        rows([persona], "deepeval")
    assert len(rows([persona], "usersim")) == 1
    lost = persona.model_copy(update={"domain": "lost"})
    with pytest.raises(InputError, match="its domain 'lost' is not installed"):
        rows([lost], "mirrorbench", KNOWN)


def test_any_id_becomes_the_name_of_a_file() -> None:
    ids = ["a/b", "a_b", "A_B", "", "..", "\u00e9t\u00e9 " * 60, "a\\b", "x\0y\n", "a_b-2", "a/b"]
    taken: Counter[str] = Counter()
    personas = [SampledPersona(id=identity, description="x", program="", cell=0) for identity in ids]
    task = Task(id="../t/[1]|2@q", goal="go")
    refused_by_mirrorbench([mirrorbench_row(persona, task, [("user", "hi")], taken) for persona in personas])


def test_sides_take_turns_and_empty_turns_are_left_out() -> None:
    persona, task = SampledPersona(id="p", description="x", program="", cell=0), Task(id="t", goal="go")
    row = mirrorbench_row(persona, task, [("user", "hi"), ("user", "there"), ("assistant", " "), ("user", "well"), ("assistant", "ok")])
    assert row["turns"] == [{"role": "user", "content": "hi\nthere\nwell"}, {"role": "assistant", "content": "ok"}]
    with pytest.raises(InputError, match="expected a dialogue with at least one turn"):
        mirrorbench_row(persona, task, [("user", " ")])

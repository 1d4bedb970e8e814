"""The first turns of a persona, directed."""

from __future__ import annotations

import json

import pytest

import personaevo as pe
from personaevo.definitions import domain_names
from personaevo.records import Task
from personaevo.sampler.sampler import example_turns


@pytest.mark.parametrize("domain", domain_names())
def test_three_turns_against_the_agent_of_the_persona_s_own_task(domain: str) -> None:
    with pe.PersonaSampler(domain) as sampler:
        tasks = sampler.known_tasks()
        for persona in sampler.sample(n=20, seed=3):
            turns = example_turns(persona, tasks, seed=3)
            assert turns == example_turns(persona, tasks, seed=3)
            assert 1 <= len(turns) <= 3
            assert (turns[0]["heard"] is None) == (domain != "charity")
            assert all(turn["direction"].startswith("[Stage direction] ") and turn["draft"] for turn in turns)
            assert all(turn["heard"] for turn in turns[1:])
            assert json.loads(json.dumps(turns)) == turns
        assert example_turns(persona, tasks, seed=3) != example_turns(persona, tasks, seed=4)


def test_without_the_task_or_its_domain_there_are_none() -> None:
    persona = pe.PersonaSampler("service").sample(n=1)[0]
    task = Task(id=persona.task, goal="move my flight")
    assert example_turns(persona, {task.id: task}, seed=1)
    assert example_turns(persona, {}, seed=1) == []
    assert example_turns(persona.model_copy(update={"domain": "/gone/away"}), {task.id: task}, seed=1) == []

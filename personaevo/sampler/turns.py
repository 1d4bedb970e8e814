"""The first turns of a persona, directed: what a simulator with a hook gets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TypedDict

from personaevo import definitions
from personaevo.errors import ConfigError
from personaevo.records import Role, Task
from personaevo.sampler.persona import SampledPersona
from personaevo.simulate.agents import ScriptedAgent
from personaevo.simulate.seeds import seed_of


class Turn(TypedDict):
    """What was heard (None at the opening), the stage direction, and the turn in words."""

    heard: str | None
    direction: str
    draft: str


def example_turns(persona: SampledPersona, tasks: Mapping[str, Task], seed: int, count: int = 3) -> list[Turn]:
    """The first ``count`` turns (fewer if one of them leaves before) against the scripted agent of the persona's domain.

    ``tasks`` has tasks by id. There are none where the persona's task is not among them, or its domain is not at hand. Equal arguments
    give equal turns.
    """
    task = tasks.get(persona.task)
    try:
        domain = definitions.domain(persona.domain)
    except ConfigError:
        return []
    if task is None:
        return []
    own = seed_of(seed, persona.id, task.id)
    director = persona.director(own, task, persona.domain)
    agent = ScriptedAgent(task, domain, random.Random(seed_of(own, "agent")))
    said: list[tuple[Role, str]] = []
    found: list[Turn] = []
    heard = agent.reply(said) if domain.opens == "agent" else None
    while len(found) < count and not director.left and (heard is not None or not found):
        said += [("assistant", heard)] if heard is not None else []
        found.append(Turn(heard=heard, direction=director.direction(heard), draft=director.draft(heard)))
        said.append(("user", found[-1]["draft"]))
        heard = agent.reply(said)
    return found

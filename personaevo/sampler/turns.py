"""Export personas as rows in the formats of other evaluation tools, and their example turns with stage directions."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TypedDict

from personaevo import definitions
from personaevo.chat import Role
from personaevo.errors import ConfigError
from personaevo.records import Task
from personaevo.sampler.persona import SampledPersona
from personaevo.simulate.agents import ScriptedAgent
from personaevo.simulate.seeds import seed_of


class Turn(TypedDict):
    """One turn of the user: the agent's message before it (None at the opening), the stage direction, and the drafted text."""

    heard: str | None
    direction: str
    draft: str


def example_turns(persona: SampledPersona, tasks: Mapping[str, Task], seed: int, count: int = 3) -> list[Turn]:
    """The first ``count`` turns of the persona with the scripted agent of its domain; fewer if the dialogue ends earlier.

    ``tasks`` maps ids to tasks. The list is empty if the persona's task is not among them, or its domain is not available. Equal arguments
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

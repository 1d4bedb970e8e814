"""One dialogue from the first to the last turn, and whether the task came through it whole."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from personaevo.definitions import Domain
from personaevo.records import Agent, Episode, Persona, PlanItem, Role, Task
from personaevo.simulate.agents import ScriptedAgent
from personaevo.simulate.facts import numbers_in
from personaevo.simulate.users import AgendaUser

DEFAULT_TURN_LIMIT = 24


def seed_of(*parts: object) -> int:
    """A 63-bit seed that depends on the parts alone (run seed, task, slot, purpose), never on order or time."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def run_episode(task: Task, persona: Persona | None, item: PlanItem, domain: Domain, agent: Agent | None = None) -> Episode:
    """Plays one dialogue; ``persona`` None is the persona-free simulator, ``agent`` None the domain's scripted agent.

    The same arguments give the same dialogue. The episode comes back without fingerprint and P(human): those are measured later.
    """
    dials = persona.dials if persona is not None else {}
    user = AgendaUser(task, dials, domain, random.Random(seed_of(item.seed, "user")))
    partner = agent if agent is not None else ScriptedAgent(task, domain, random.Random(seed_of(item.seed, "agent")))
    turns = _talk(user, partner, domain)
    return Episode(
        item=item,
        state="completed",
        turns=tuple(turns),
        outcome=user.outcome or "turn_limit",
        preservation=_preservation(task, user, turns),
        persona=persona,
    )


def _talk(user: AgendaUser, agent: Agent, domain: Domain) -> list[tuple[Role, str]]:
    turns: list[tuple[Role, str]] = []
    heard = agent.reply(turns) if domain.opens == "agent" else None
    if heard is not None:
        turns.append(("assistant", heard))
    for _ in range(int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT))):
        said = user.say(heard)
        if said is None:
            break
        turns.append(("user", said))
        heard = agent.reply(turns)
        if heard is None:
            break
        turns.append(("assistant", heard))
    return turns


def _preservation(task: Task, user: AgendaUser, turns: Sequence[tuple[Role, str]]) -> float:
    """Mean of three checks: numbers stated are the task's own (or the agent's), asked-for facts were given, the goal was said and not
    given up."""
    return (_own_numbers(task, turns) + _asked_given(user.asked, user.given) + (user.goal_said and user.outcome != "gave_up")) / 3.0


def _own_numbers(task: Task, turns: Sequence[tuple[Role, str]]) -> float:
    known = numbers_in(" ".join([task.goal, task.context, *task.facts, *task.facts.values()]))
    stated: set[str] = set()
    for role, text in turns:
        if role == "assistant":
            known |= numbers_in(text)
        else:
            stated |= numbers_in(text)
    return len(stated & known) / len(stated) if stated else 1.0


def _asked_given(asked: set[str], given: Mapping[str, int]) -> float:
    return sum(given[name] > 0 for name in asked) / len(asked) if asked else 1.0

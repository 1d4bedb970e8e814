"""Plays one dialogue from the first to the last turn, and scores task preservation."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from personaevo.chat import Agent, Role
from personaevo.definitions import Domain
from personaevo.errors import PersonaevoError
from personaevo.measure.fingerprint import words_of
from personaevo.records import Episode, Persona, PlanItem, Task
from personaevo.simulate.agents import ScriptedAgent
from personaevo.simulate.director import DEFAULT_TURN_LIMIT
from personaevo.simulate.facts import numbers_in
from personaevo.simulate.seeds import seed_of
from personaevo.simulate.stated import spoken_numbers
from personaevo.simulate.users import embedded_user


class EpisodeError(PersonaevoError):
    """A dialogue cannot continue: one of its sides fails or says nothing. The episode fails, the search continues."""


class User(Protocol):
    """One user in one dialogue. ``outcome`` is "completed" or "gave_up" once the user leaves, "" before; ``asked`` has the names of facts
    that the agent asked for, ``given`` how often each fact was given; ``goal_said``: the goal was said; ``broke``: the turns that broke
    their plan (see ``records.Episode``)."""

    outcome: str
    goal_said: bool
    asked: set[str]
    given: dict[str, int]
    broke: list[tuple[int, tuple[str, ...]]]

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text (None at the very start), or None once the user has left."""
        ...


MakeUser = Callable[[Task, Persona | None, PlanItem, Domain], User]
MakeAgent = Callable[[Task, PlanItem, Domain], Agent]


def run_episode(
    task: Task,
    persona: Persona | None,
    item: PlanItem,
    domain: Domain,
    agent: Agent | None = None,
    *,
    make_user: MakeUser | None = None,
    make_agent: MakeAgent | None = None,
) -> Episode:
    """Play one dialogue; ``persona`` None is the persona-free simulator.

    ``make_user`` None is the embedded user. The agent is ``agent`` if given, else that of ``make_agent``, else the domain's scripted
    agent. With these defaults equal arguments give equal dialogues; models get the same messages and sample.

    An ``EpisodeError`` gives a failed episode with its message as the reason, fault "infrastructure", and the turns so far. Errors of a
    model are raised unchanged. The episode has no fingerprint and P(human) yet: these are measured later.
    """
    turns: list[tuple[Role, str]] = []
    try:
        if make_user is not None:
            user = make_user(task, persona, item, domain)
        else:
            user = embedded_user(task, persona.dials if persona is not None else {}, domain, item.seed)
        if agent is None:
            scripted = random.Random(seed_of(item.seed, "agent"))
            agent = make_agent(task, item, domain) if make_agent is not None else ScriptedAgent(task, domain, scripted)
        _talk(user, agent, domain, turns, answer_farewell=make_user is None and make_agent is None)
        if make_user is not None and not any(words_of([text for role, text in turns if role == "user"])):
            raise EpisodeError("the user left without a word")
    except EpisodeError as error:
        return Episode(item=item, state="failed", turns=tuple(turns), persona=persona, reason=str(error), fault="infrastructure")
    return Episode(
        item=item,
        state="completed",
        turns=tuple(turns),
        outcome=user.outcome or "turn_limit",
        preservation=preservation(task, user, turns, numbers_in if make_user is None else spoken_numbers),
        persona=persona,
        broke=tuple(user.broke),
    )


def _talk(user: User, agent: Agent, domain: Domain, turns: list[tuple[Role, str]], *, answer_farewell: bool) -> None:
    """Append the dialogue to ``turns``. Unless ``answer_farewell``, the agent gets no turn once the user has left."""
    heard = agent.reply(turns) if domain.opens == "agent" else None
    if heard is not None:
        turns.append(("assistant", heard))
    for _ in range(int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT))):
        said = user.say(heard)
        if said is None:
            break
        turns.append(("user", said))
        if user.outcome and not answer_farewell:
            break
        heard = agent.reply(turns)
        if heard is None:
            break
        turns.append(("assistant", heard))


def preservation(task: Task, user: User, turns: Sequence[tuple[Role, str]], numbers: Callable[[str], set[str]]) -> float:
    """Task preservation in a dialogue, 0..1: the mean of three checks. Stated numbers are the task's (or the agent's), requested facts were
    given, the goal was said and not given up."""
    given = sum(user.given[name] > 0 for name in user.asked) / len(user.asked) if user.asked else 1.0
    return (_own_numbers(task, turns, numbers) + given + (user.goal_said and user.outcome != "gave_up")) / 3.0


def _own_numbers(task: Task, turns: Sequence[tuple[Role, str]], numbers: Callable[[str], set[str]]) -> float:
    """The share of the user's numbers that the task or the agent stated."""
    known = numbers(" ".join([task.goal, task.context, *task.facts, *task.facts.values()]))
    stated: set[str] = set()
    for role, text in turns:
        if role == "assistant":
            known |= numbers(text)
        else:
            stated |= numbers(text)
    return len(stated & known) / len(stated) if stated else 1.0

"""What the tests of the embedded engine share: playing many episodes, and looking at the user's side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from personaevo import definitions, readers
from personaevo.chat import Agent, Role
from personaevo.records import Episode, Floats, Persona, PlanItem, Task
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.turns import seed_of

DOMAINS = tuple(definitions.domain_names())
NAMES = definitions.features().names
MANY = 900


@cache
def tasks(domain: str) -> tuple[Task, ...]:
    return tuple(readers.read_tasks(definitions.domain_files(domain).tasks))


def play(
    domain: str, n: int, dials: Mapping[str, float] | None = None, *, seed: int = 1, agent: Callable[[], Agent] | None = None
) -> list[Episode]:
    """``n`` episodes over the domain's tasks in turn; without dials the user is persona-free."""
    persona = Persona(id="moved", description="", dials=dict(dials)) if dials else None
    chosen = tasks(domain)
    return [
        run_task(chosen[index % len(chosen)], domain, persona, seed=seed_of(seed, index), agent=agent() if agent else None)
        for index in range(n)
    ]


def run_task(task: Task, domain: str, persona: Persona | None = None, *, seed: int = 1, agent: Agent | None = None) -> Episode:
    return run_episode(task, persona, PlanItem(task.id, 0, seed), definitions.domain(domain), agent)


@cache
def persona_free(domain: str) -> tuple[Episode, ...]:
    """Many persona-free episodes, played once for all tests."""
    return tuple(play(domain, MANY))


def said_by(episode: Episode, who: Role = "user") -> list[str]:
    return [text for role, text in episode.turns if role == who]


def measured(episodes: Sequence[Episode]) -> Floats:
    return definitions.features().measure([said_by(episode) for episode in episodes]).values


def sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in re.split(r"(?<=[.?!])\s+", text) if sentence.strip()]


def task_of(episode: Episode, domain: str) -> Task:
    return next(task for task in tasks(domain) if task.id == episode.item.task_id)


class Unhelpful:
    """An agent that never helps."""

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        return "I am afraid I can't help with that."


class Listener:
    """An agent that asks for nothing."""

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        return "I see, go on."

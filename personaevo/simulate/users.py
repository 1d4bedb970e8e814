"""Simulated users: a director plans each turn, and a voice words the plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Protocol

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.director import Director
from personaevo.simulate.plans import Realization, TurnPlan
from personaevo.simulate.seeds import seed_of
from personaevo.simulate.templates import templates_for
from personaevo.simulate.typist import Typist, typist_for

# Share of turns from templates that begin with the value of a fact, by the side that opens: if the agent opens, the user answers more.
VALUES_FIRST = {"user": 0.13, "agent": 0.19}


class Voice(Protocol):
    """Words the plans of one dialogue."""

    def say(self, plan: TurnPlan, heard: str | None) -> Realization:
        """The plan in words, after the agent's text ``heard`` (None at the very start)."""
        ...


class DirectedUser:
    """One user in one dialogue. ``say(heard)`` returns the next turn, or None once the user has left. A typist types the turn after the
    director was told its wording.

    ``broke`` has, for each turn that broke its plan, the turn's number (from 1) and the points.
    """

    def __init__(self, director: Director, voice: Voice, typist: Typist | None = None) -> None:
        self.director, self.voice, self.typist = director, voice, typist
        self.asked, self.given = director.asked, director.given  # names of requested facts, and how often each fact was given
        self.turns, self.outcome, self.goal_said = 0, "", False  # outcome: "completed" or "gave_up" once the user has left
        self.broke: list[tuple[int, tuple[str, ...]]] = []

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start)."""
        plan = self.director.plan(heard)
        self.outcome = self.director.outcome
        if plan is None:
            return None
        said = self.voice.say(plan, heard)
        self.director.said(said)
        self.goal_said = self.director.goal_said
        self.turns += 1
        if said.broke:
            self.broke.append((self.turns, said.broke))
        return said.text if self.typist is None else self.typist.type(said.text, self.turns)


def embedded_user(task: Task, dials: Mapping[str, float], domain: Domain, seed: int) -> DirectedUser:
    """The user of the embedded engine: director, templates and, if a dial of typing is set, a typist, which then makes the slips. Equal
    arguments give equal users."""
    director = Director(task, dials, domain, random.Random(seed_of(seed, "user")))
    slips = director.level["slips_per_100_words"] or 0.0
    typist = typist_for({**dials, "slips_per_100_words": slips}, seed, task, values_first=VALUES_FIRST[domain.opens])
    templates = templates_for(task, domain, random.Random(seed_of(seed, "wording")), dials, 0.0 if typist else slips)
    return DirectedUser(director, templates, typist)

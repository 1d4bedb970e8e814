"""Undirected users, whose state is inferred from text, and those played by a chat model.

The roles are flipped for the model: the agent's turns are its "user" messages, its own turns are "assistant" messages. Task texts and
personas are quoted data in its prompt. The model's end marker or the persona's patience ends the dialogue.
"""

from __future__ import annotations

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.facts import facts_of
from personaevo.simulate.hearing import Understanding, Understood
from personaevo.simulate.stated import GoalTracker, states


class ObservedUser:
    """A user whose state (facts asked for and given, goal said) is inferred from the text of both sides."""

    def __init__(self, task: Task, domain: Domain) -> None:
        self.nlu, self.facts, self.goal = Understanding(task, domain), facts_of(task), GoalTracker(task.goal)
        self.given = dict.fromkeys(self.facts, 0)
        self.asked: set[str] = set()
        self.goal_said = False
        self.outcome = ""
        self.broke: list[tuple[int, tuple[str, ...]]] = []  # its turns have no plan

    def hears(self, heard: str | None) -> Understood:
        """Process the agent's text (None at the start), and return its interpretation."""
        found = self.nlu.understand(heard, self.given)
        self.asked.update(found.asked)
        return found

    def says(self, text: str) -> None:
        """Process the user's text."""
        for name, value in self.facts.items():
            self.given[name] += states(text, value)
        self.goal_said = self.goal.after(text)

    def say(self, heard: str | None) -> str | None:
        """None: the dialogue is over."""
        return None

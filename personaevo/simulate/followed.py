"""What came of a dialogue whose user nobody directs, as far as text shows."""

from __future__ import annotations

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.facts import facts_of
from personaevo.simulate.hearing import Heard, Hearing
from personaevo.simulate.stated import GoalHeard, states


class Followed:
    """What was asked, given and said of the goal, as far as text shows."""

    def __init__(self, task: Task, domain: Domain) -> None:
        self.hearing, self.facts, self.goal = Hearing(task, domain), facts_of(task), GoalHeard(task.goal)
        self.given = dict.fromkeys(self.facts, 0)
        self.asked: set[str] = set()
        self.goal_said = False
        self.outcome = ""
        self.broke: tuple[tuple[int, tuple[str, ...]], ...] = ()  # nobody plans its turns

    def hears(self, heard: str | None) -> Heard:
        """Takes in the agent's text (None at the very start), and says what is in it."""
        found = self.hearing.understand(heard, self.given)
        self.asked.update(found.asked)
        return found

    def says(self, text: str) -> None:
        """Takes in the user's text."""
        for name, value in self.facts.items():
            self.given[name] += states(text, value)
        self.goal_said = self.goal.after(text)

    def say(self, heard: str | None) -> str | None:
        """Nothing: the dialogue is over."""
        return None

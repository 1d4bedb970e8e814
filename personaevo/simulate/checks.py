"""Plans worded by a chat model, one small request per turn, whose answer is checked against the plan: length, facts, and role.

With the wording "draft" the model rewords the templates' turn; with "direction" it plays the user and gets one stage direction after the
agent's message. A turn that breaks its plan is requested once more, and the better of the two is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from personaevo import definitions
from personaevo.measure.fingerprint import words_of
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, has_digit
from personaevo.simulate.lengths import SHORT
from personaevo.simulate.plans import TurnPlan
from personaevo.simulate.stated import GoalTracker, spoken_numbers, states

AS_AGENT = "identity_confusion_rate"
GRAVE = frozenset({"fact", "goal", "invented", "leak", "agent", "empty"})  # points that harm the task, and not only the manner
_SHORTER, _LONGER = 0.5, 1.5  # limits of the length, as multiples of the planned words, plus a few words
_SPARE = 2
_ECHO = 6  # consecutive words of the agent that count as an echo
_YOURS = re.compile(r"\b(?:your|you have)\b[^.?!]*\?")


@dataclass(frozen=True, slots=True)
class Broken:
    """One point in which a turn breaks its plan, and its object (a fact's value, an invented number)."""

    kind: str
    value: str = ""


class Checks:
    """Compares the turns of one dialogue with their plans."""

    def __init__(self, task: Task) -> None:
        self.facts, self.goal = facts_of(task), task.goal.strip()
        self.known = spoken_numbers(" ".join([task.goal, task.context, *task.facts, *task.facts.values()]))

    def broken(self, text: str, plan: TurnPlan, heard: str | None, given: Mapping[str, int]) -> list[Broken]:
        """The points in which the text breaks the plan, the gravest first. ``given`` counts how often facts were given before."""
        words = len(words_of([text])[0])
        if not words:
            return [Broken("empty")]
        self.known |= spoken_numbers(heard or "")
        found = [*self._facts(text, plan, given), *self._role(text, plan, heard)]
        if words > plan.words * _LONGER + _SPARE:
            found.append(Broken("long"))
        elif words < plan.words * _SHORTER - _SPARE and plan.words > SHORT:
            found.append(Broken("short"))
        return found

    def _facts(self, text: str, plan: TurnPlan, given: Mapping[str, int]) -> list[Broken]:
        stated = [move for move in plan.moves if move.kind in ("fact", "correct")]
        found = [Broken("fact", move.value) for move in stated if not (states(text, move.value) or states(text, self.facts[move.name]))]
        if any(move.kind == "goal" for move in plan.moves) and not GoalTracker(self.goal).after(text):
            found.append(Broken("goal", self.goal))
        private = [value for name, value in self.facts.items() if name not in plan.facts and not given.get(name) and has_digit(value)]
        found += [Broken("leak", value) for value in private if states(text, value) and value not in self.goal]
        return found + [Broken("invented", number) for number in sorted(spoken_numbers(text) - self.known)[:1]]

    def _role(self, text: str, plan: TurnPlan, heard: str | None) -> list[Broken]:
        """Whether the turn speaks as the agent, or repeats the agent's words."""
        shown = definitions.features().shown(text)
        # a question for a fact that only the user can know, such as "what is your booking reference?"
        asks_for_own = any(name.lower() in question for question in _YOURS.findall(text.lower()) for name in self.facts)
        if (AS_AGENT in shown and AS_AGENT not in plan.shows) or asks_for_own:
            return [Broken("agent")]
        own, others = words_of([text, heard or ""])
        runs = {tuple(others[start : start + _ECHO]) for start in range(len(others) - _ECHO + 1)}
        echoes = any(tuple(own[start : start + _ECHO]) in runs for start in range(len(own) - _ECHO + 1))
        return [Broken("echo")] if echoes else []

"""Whether a turn that a model wrote keeps to its plan: its length, the task's facts, and whose words they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from personaevo import definitions
from personaevo.measure.fingerprint import words_of
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, has_digit
from personaevo.simulate.lengths import SHORT
from personaevo.simulate.plans import Move, TurnPlan
from personaevo.simulate.stated import said_goal, spoken_numbers, states

AS_AGENT = "identity_confusion_rate"
GRAVE = frozenset({"fact", "goal", "invented", "leak", "agent", "empty"})  # what harms the task, and not only the manner
_SHORTER, _LONGER = 0.5, 1.5  # of the planned words: within these, and a few words more, a length is kept
_SPARE = 2
_ECHO = 6  # words in a row that are the agent's own
_YOURS = re.compile(r"\b(?:your|you have)\b[^.?!]*\?")


@dataclass(frozen=True, slots=True)
class Broken:
    """One point in which a turn breaks its plan, and what it is about (a fact's value, a number that was made up)."""

    kind: str
    value: str = ""


class Checks:
    """Holds the turns of one dialogue against their plans."""

    def __init__(self, task: Task) -> None:
        self.facts, self.goal = facts_of(task), task.goal.strip()
        self.known = spoken_numbers(" ".join([task.goal, task.context, *task.facts, *task.facts.values()]))

    def broken(self, text: str, plan: TurnPlan, heard: str | None, given: Mapping[str, int]) -> list[Broken]:
        """In which points the text breaks the plan, the gravest first. ``given`` counts how often facts were given before."""
        words = len(words_of([text])[0])
        if not words:
            return [Broken("empty")]
        self.known |= spoken_numbers(heard or "")
        found = [*self._facts(text, plan, given), *self._whose(text, plan, heard)]
        return found + self._length(words, plan)

    def _length(self, words: int, plan: TurnPlan) -> list[Broken]:
        if words > plan.words * _LONGER + _SPARE:
            return [Broken("long")]
        return [Broken("short")] if words < plan.words * _SHORTER - _SPARE and plan.words > SHORT else []

    def _facts(self, text: str, plan: TurnPlan, given: Mapping[str, int]) -> list[Broken]:
        found = [Broken("fact", move.value) for move in plan.moves if move.kind in ("fact", "correct") and not self._gives(text, move)]
        if any(move.kind == "goal" for move in plan.moves) and not said_goal(text, self.goal):
            found.append(Broken("goal", self.goal))
        told = [name for name, value in self.facts.items() if name not in plan.facts and not given.get(name) and has_digit(value)]
        found += [Broken("leak", self.facts[name]) for name in told if states(text, self.facts[name]) and self.facts[name] not in self.goal]
        return found + [Broken("invented", number) for number in sorted(spoken_numbers(text) - self.known)[:1]]

    def _gives(self, text: str, move: Move) -> bool:
        return states(text, move.value) or states(text, self.facts[move.name])

    def _whose(self, text: str, plan: TurnPlan, heard: str | None) -> list[Broken]:
        shown = definitions.features().shown(text)
        if (AS_AGENT in shown and AS_AGENT not in plan.shows) or self._asks_for_own(text):
            return [Broken("agent")]
        return [Broken("echo")] if _shares_a_run(text, heard or "") else []

    def _asks_for_own(self, text: str) -> bool:
        """Whether the turn asks for a fact that only its speaker can know ("what is your booking reference?")."""
        low = text.lower()
        return any(name.lower() in question for question in _YOURS.findall(low) for name in self.facts)


def _shares_a_run(text: str, heard: str) -> bool:
    own, others = words_of([text, heard])
    runs = {tuple(others[start : start + _ECHO]) for start in range(len(others) - _ECHO + 1)}
    return any(tuple(own[start : start + _ECHO]) in runs for start in range(len(own) - _ECHO + 1))

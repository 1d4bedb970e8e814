"""Episodes of the embedded engine: the scripted agent, directed users, and the dialogue loop with task preservation."""

from __future__ import annotations

import random
from collections.abc import Sequence

from personaevo.chat import Role
from personaevo.definitions import Domain, Phrase
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, mentions, telegraphic
from personaevo.simulate.wording import filled

_ASK_AT_MOST = 2
_READ_BACK = 0.3
_TURNS_TO_END = 2  # of the user once the agent confirms: agreeing, and the farewell


class ScriptedAgent:
    """Asks for the task's facts, reads them back (sometimes wrongly), informs, confirms and ends. Its only input is text.

    A mistake misreads one fact, so that the user has an error to react to. If the script has ``least_turns``, the agent goes on informing
    until the user will have had so many turns.
    """

    def __init__(self, task: Task, domain: Domain, rng: random.Random) -> None:
        self.task, self.domain, self.rng = task, domain, rng
        script = domain.script
        self.facts = facts_of(task)
        self.informs = rng.randint(int(script.get("inform_min", 0)), int(script.get("inform_max", 2)))
        self.misread = rng.choice(sorted(self.facts)) if self.facts and rng.random() < script.get("mistake", 0.3) else None
        self.asks_two, self.to_the_point = script.get("ask_two", 0.0), script.get("to_the_point", 0.0)
        self.least_turns = int(script.get("least_turns", 0))
        self.times_asked = dict.fromkeys(self.facts, 0)
        self.checked: set[str] = set()
        self.used: set[str] = set()
        self.stage = "open"
        self.corrected: str | None = None

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The next turn, or None after the farewell."""
        heard = turns[-1][1] if turns else ""
        said = " ".join(text for role, text in turns if role == "user").lower()
        lead = ""
        if self.corrected is not None:
            self.corrected, lead = None, self._line("sorry")
        elif "?" in heard and self.stage != "open":
            lead = self._line("answer")
        body = self._next(said, sum(role == "user" for role, _ in turns), "?" in heard)
        return None if body is None else f"{lead} {body}".strip()

    def _next(self, said: str, user_turns: int, question: bool) -> str | None:
        if self.stage == "open":
            self.stage = "collect"
            goal_heard = mentions(said, self.task.goal) or mentions(said, telegraphic(self.task.goal))
            if not (goal_heard and self.rng.random() < self.to_the_point):
                return self._line("open" if self.domain.opens == "agent" else "greet")
        if self.stage == "collect":
            return self._collect(said, user_turns)
        if self.stage == "confirmed":
            self.stage = "bye"
            return f"{self._line('resolve')} {self._line('more')}"
        if self.stage == "bye" and question and self.domain.script.get("stay"):
            return self._line("more")
        if self.stage == "bye":
            self.stage = "over"
            return self._line("bye")
        return None

    def _collect(self, said: str, user_turns: int) -> str:
        known = [name for name, value in self.facts.items() if mentions(said, value)]
        check = self._check(known)
        if check:
            return check
        if self.informs and self.rng.random() < 0.4:
            self.informs -= 1
            return self._line("inform")
        missing = [name for name, times in self.times_asked.items() if name not in known and times < _ASK_AT_MOST]
        if missing:
            return self._ask(missing)
        if self.informs or user_turns + _TURNS_TO_END < self.least_turns:
            self.informs = max(self.informs - 1, 0)
            return self._line("inform")
        self.stage = "confirmed"
        return self._line("confirm")

    def _check(self, known: Sequence[str]) -> str | None:
        """Read a newly given fact back, wrongly if it is the misread one."""
        for name in known:
            if name in self.checked:
                continue
            self.checked.add(name)
            if name == self.misread:
                self.corrected = name
                return self._line("readback", name=name, value=_garbled(self.facts[name], self.rng))
            if self.rng.random() < _READ_BACK / max(len(self.facts), 1):
                return self._line("readback", name=name, value=self.facts[name])
        return None

    def _ask(self, missing: Sequence[str]) -> str:
        """Ask for the first missing fact, sometimes for two at once; a fact that was not answered is asked for alone."""
        first, *others = missing
        both = others and not self.times_asked[first] and not self.times_asked[others[0]] and self.rng.random() < self.asks_two
        lines = []
        for name in missing[:2] if both else [first]:
            own = f"ask.{name}"
            key = "again" if self.times_asked[name] else own if own in self.domain.agent else "ask"
            self.times_asked[name] += 1
            lines.append(self._line(key, name=name))
        return " ".join(lines)

    def _line(self, key: str, **slots: str) -> str:
        """A random line of that purpose; none comes twice before all are used."""
        phrases = self.domain.agent[key]
        phrase: Phrase = phrases[int(self.rng.random() * len(phrases))]
        if phrase.text in self.used:
            unused = [one for one in phrases if one.text not in self.used]
            phrase = unused[int(self.rng.random() * len(unused))] if unused else phrase
        self.used.add(phrase.text)
        return filled(phrase.text, goal=self.task.goal, **slots)


def _garbled(value: str, rng: random.Random) -> str:
    """The value with one error: a digit, its last word or its last letter. The result does not contain the value."""
    digits = [index for index, char in enumerate(value) if char.isdecimal()]
    if digits:
        at = rng.choice(digits)
        return value[:at] + str((int(value[at]) + rng.randint(1, 9)) % 10) + value[at + 1 :]
    words = value.split()
    if len(words) > 1:
        return " ".join(words[:-1])
    return value[:-1] if len(value) > 1 else "x" if value != "x" else "z"

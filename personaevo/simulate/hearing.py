"""What a simulated user makes of the agent's text: which facts are asked for, which was misread, whether it is over.

Only text is used, so the same user can talk to a scripted agent, a model or any function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, mentions

_REQUEST = re.compile(r"\?|\b(?:need|missing|please|tell me|give me|to hear)\b")
_CHECKING = re.compile(r"\b(?:right|correct|is that so|match|like that|sure|well|i see|i heard|i noted|so your)\b|(?<=\w )is your\b")
_ASKING = re.compile(
    r"\b(?:what|who|where|when|why|how|tell me|need your|(?:could|can|would|will|do|did|are|have) you"
    r"|(?:could|may|can) (?:i|we) (?:have|get|ask))\b|(?<!, )\bwhich\b"
)
_SENTENCE_ENDS = (". ", "? ", "! ")
_CLOSING = ("anything else", "something else", "what else can i", "any other question")
_FAREWELL = re.compile(r"\b(?:good ?bye|bye|farewell|take care|have an? (?:\w+ )?(?:day|evening|night|weekend|one|trip|flight))\b")
_ASKED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """``asked``: names of facts asked for; ``misread``: a fact that was read back wrongly; ``question``: anything was asked at all;
    ``closing``: the agent asks whether that was all; ``farewell``: it says goodbye and asks nothing."""

    asked: tuple[str, ...] = ()
    misread: str | None = None
    question: bool = False
    closing: bool = False
    farewell: bool = False


class Hearing:
    """Understands the agent's text in the light of one task."""

    def __init__(self, task: Task, domain: Domain) -> None:
        self.goal = task.goal.strip().lower()
        self.values = {name: value.lower() for name, value in facts_of(task).items()}
        self.closings = (*_CLOSING, *(phrase.text.lower() for phrase in domain.agent.get("more", ())))
        self.cues = {name: (name.lower(), *(cue.lower() for cue in domain.cues.get(name, ()))) for name in self.values}

    def understand(self, text: str | None, given: Mapping[str, int]) -> Heard:
        """Reads one agent turn; ``given`` counts how often each fact was given before.

        A request that names a fact asks for it, unless it holds the fact's value (then it is read back rightly) or sounds like a check of
        what was given before (then it is read back wrongly).
        """
        if not text:
            return Heard()
        low = text.lower()
        question = "?" in low
        if question and any(phrase in low for phrase in self.closings):
            return Heard(question=True, closing=True)
        if not question and _FAREWELL.search(low):
            return Heard(farewell=True)
        if not _REQUEST.search(low):
            return Heard(question=question)
        asked = []
        rest = low.replace(self.goal, " ") if " " in self.goal else low
        for name, cue in self._named(rest):
            start = _sentence_of(rest, cue)
            if _ASKING.search(rest, start):
                asked.append(name)
            elif not mentions(rest, self.values[name]):
                if given[name] and _CHECKING.search(rest, start):
                    return Heard(misread=name, question=True)
                asked.append(name)
        return Heard(asked=tuple(asked[:_ASKED_AT_ONCE]), question=question)

    def _named(self, low: str) -> Sequence[tuple[str, str]]:
        """Facts that the text names, with the cue that named them; a name inside another one that is named as well does not count."""
        found = [(name, next((cue for cue in cues if cue in low), "")) for name, cues in self.cues.items()]
        named = [(name, cue) for name, cue in found if cue]
        return [(name, cue) for name, cue in named if not any(cue != other and cue in other for _, other in named)]


def _sentence_of(low: str, cue: str) -> int:
    """Where the sentence with the cue starts."""
    at = low.find(cue)
    return max(low.rfind(end, 0, at) for end in _SENTENCE_ENDS) + 1

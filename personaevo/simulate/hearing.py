"""What a simulated user makes of the agent's text: which facts are asked for, which was misread, whether it is over.

Only text is used, so the same user can talk to a scripted agent, a model or any function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.facts import mentions

_CHECKING = re.compile(r"\b(?:right|correct|is that so|did i get)\b[^?]*\?|\bso your\b|\bas your\b")
_REQUEST = re.compile(r"\?|\b(?:need|missing|please|tell me|give me|to hear)\b")
_CLOSING = ("anything else", "something else", "what else can i", "any other question")


@dataclass(frozen=True, slots=True)
class Heard:
    """``asked``: names of facts asked for; ``misread``: a fact that was read back wrongly; ``question``: anything was asked at all;
    ``closing``: the agent asks whether that was all."""

    asked: tuple[str, ...] = ()
    misread: str | None = None
    question: bool = False
    closing: bool = False


class Hearing:
    """Understands the agent's text in the light of one task."""

    def __init__(self, task: Task, domain: Domain) -> None:
        self.values = {name: value.lower() for name, value in task.facts.items()}
        self.closings = (*_CLOSING, *(phrase.text.lower() for phrase in domain.agent.get("more", ())))
        self.cues = {name: (name.lower(), *(cue.lower() for cue in domain.cues.get(name, ()))) for name in task.facts}

    def understand(self, text: str | None, given: Mapping[str, int]) -> Heard:
        """Reads one agent turn; ``given`` counts how often each fact was given before."""
        if not text:
            return Heard()
        low = text.lower()
        question = "?" in low
        if question and any(phrase in low for phrase in self.closings):
            return Heard(question=True, closing=True)
        named = [name for name, cues in self.cues.items() if any(cue in low for cue in cues)] if _REQUEST.search(low) else []
        if named and _CHECKING.search(low):
            wrong = [name for name in named if given[name] and not mentions(low, self.values[name])]
            return Heard(misread=wrong[0] if wrong else None, question=True)
        return Heard(asked=tuple(named[:2]), question=question)

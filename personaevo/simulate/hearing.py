"""Natural language understanding of the agent's text: which facts are asked for, which was misread, whether the dialogue is over.

Only text is used, so that the same user can talk to a scripted agent, a model or any function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from personaevo.definitions import Domain
from personaevo.records import Task
from personaevo.simulate.facts import facts_of, mentions

_REQUEST = re.compile(r"\?|\b(?:need|missing|please|tell me|give me|to hear)\b")
_CHECKING = re.compile(r"\b(?:right|correct|is that so|match|like that|sure|well|i see|i heard|i noted|so your)\b|(?<=\w )is your\b")
_ASKING = re.compile(
    r"\b(?:what|who|where|when|why|how|tell me|need your|(?:could|can|would|will|do|did|are|have) you"
    r"|(?:could|may|can) (?:i|we) (?:have|get|ask))\b|(?<!, )\bwhich\b"
)
_WANTING = re.compile(  # a request without a question mark
    r"\bplease (?!wait|hold|note|allow|bear|stand|be |rest|know|accept|don't|do not|let me know if|feel free)\w+"
    r"|\b(?:tell|give|send) (?:me|us)\b"
    r"|\b(?:need|require|missing|want) (?:your|you to|to (?:know|verify|confirm|have|hear)|the|a few|some)\b"
    r"|\blet me know (?:what|which|who|where|when|why|how|your|the)\b"
)
_OFFERING = re.compile(
    r"\bhow (?:can|may|could|do|should) (?:i|we) (?:\w+ )?(?:help|assist|serve|support)\b"
    r"|\bwhat (?:can|may|could) (?:i|we) (?:do|help)\b"
    r"|\bwhat (?:brings|brought) you\b|\bwhat (?:would you like|do you want|do you need) (?:to do|help|today|from)\b"
)
_SENTENCE_ENDS = (". ", "? ", "! ")
_SENTENCE = re.compile(r"[^.?!\n]+[.?!\n]*")
_CLOSING = ("anything else", "something else", "what else can i", "any other question")
_FAREWELL = re.compile(r"\b(?:good ?bye|bye|farewell|take care|have an? (?:\w+ )?(?:day|evening|night|weekend|one|trip|flight))\b")
_SENT_OFF = re.compile(r"\b(?:glad|happy|pleased) (?:i|we) (?:could|was able to|were able to) (?:help|assist|be)|###\s?stop\s?###|\[done\]")
_DISMISSING = re.compile(  # a statement, not a question, that this was all
    r"\byou(?:'re| are) all set\b|\b(?:anything|something) else\b"
    r"|\b(?:any|have) (?:other|more|further|additional) (?:questions?|requests?|issues?)\b"
    r"|\bneed (?:any )?(?:more|further|additional) (?:help|assistance|support)\b"
)
_DONE = re.compile(
    r"\b(?:done|moved|changed|cancell?ed|booked|rebooked|updated|refunded|confirmed|completed?|processed|submitted|scheduled|approved|settled"
    r"|all set|taken care of|gone through)\b"
)
_ASKED_AT_ONCE = 4
_BRIEF = 3  # words


@dataclass(frozen=True, slots=True)
class Understood:
    """The interpretation of one agent turn. ``asked``: names of facts asked for; ``misread``: a fact that was read back wrongly;
    ``question``: it has any question; ``wants``: a question or a request; ``offers``: it asks how it can help; ``closing``: it asks
    whether that was all, or says so; ``farewell``: it says goodbye and asks nothing; ``done``: it reports something as done; ``brief``: it
    has hardly any words, such as "ok"; ``open``: it asks for something other than the facts."""

    asked: tuple[str, ...] = ()
    misread: str | None = None
    question: bool = False
    closing: bool = False
    farewell: bool = False
    wants: bool = False
    offers: bool = False
    done: bool = False
    brief: bool = False
    open: bool = False

    @property
    def quiet(self) -> bool:
        """Whether it needs no answer."""
        return not (self.asked or self.misread or self.question or self.wants)


class Understanding:
    """Interprets the agent's text with one task, or without a task from the text alone."""

    def __init__(self, task: Task | None, domain: Domain) -> None:
        self.goal = task.goal.strip().lower() if task else ""
        self.values = {name: value.lower() for name, value in facts_of(task).items()} if task else {}
        self.closings = (*_CLOSING, *(phrase.text.lower() for phrase in domain.agent.get("more", ())))
        self.cues = {name: (name.lower(), *(cue.lower() for cue in domain.cues.get(name, ()))) for name in self.values}

    def understand(self, text: str | None, given: Mapping[str, int]) -> Understood:
        """Interpret one agent turn; ``given`` counts how often each fact was given before.

        A request that names a fact asks for it, unless it has the fact's value (then it reads it back correctly) or sounds like a check of
        an earlier answer (then it reads it back wrongly).
        """
        if not text:
            return Understood()
        low = text.lower().replace("’", "'")
        if "?" not in low:
            return self._told(low, given)
        rest = self._before_closing(low)
        if rest is None:
            return self._asked(low, given)
        asked = self._asked(rest, given) if "?" in rest else Understood()
        return asked if asked.asked or asked.misread else Understood(question=True, closing=True, wants=True)

    def _told(self, low: str, given: Mapping[str, int]) -> Understood:
        """Interpret a text without a question."""
        if _FAREWELL.search(low):
            return Understood(farewell=True)
        heard = self._asked(low, given)
        if heard.quiet and _SENT_OFF.search(low):
            return Understood(farewell=True)
        return replace(heard, closing=heard.quiet and _DISMISSING.search(low) is not None)

    def _before_closing(self, low: str) -> str | None:
        """The text without the question whether that was all; None if it does not ask that."""
        if not any(phrase in low for phrase in self.closings):
            return None
        for phrase in self.closings[len(_CLOSING) :]:
            low = low.replace(phrase, " ")
        return "".join(one for one in _SENTENCE.findall(low) if not any(phrase in one for phrase in _CLOSING))

    def _asked(self, low: str, given: Mapping[str, int]) -> Understood:
        """Interpret the requests in a text, by the facts' names."""
        question = "?" in low
        plain = Understood(
            question=question, wants=question or _WANTING.search(low) is not None, offers=question and _OFFERING.search(low) is not None,
            done=not question and _DONE.search(low) is not None, brief=len(low.split()) <= _BRIEF,
        )  # fmt: skip
        plain = replace(plain, open=not plain.offers and ((question and _ASKING.search(low) is not None) or (plain.wants and not question)))
        if not _REQUEST.search(low):
            return plain
        asked = []
        rest = low.replace(self.goal, " ") if " " in self.goal else low
        for name, cue in self._named(rest):
            start = max(rest.rfind(end, 0, rest.find(cue)) for end in _SENTENCE_ENDS) + 1
            if _ASKING.search(rest, start):
                asked.append(name)
            elif not mentions(rest, self.values[name]):
                if given[name] and _CHECKING.search(rest, start):
                    return Understood(misread=name, question=True, wants=True)
                asked.append(name)
        return replace(plain, asked=tuple(asked[:_ASKED_AT_ONCE]), open=plain.open and not asked)

    def _named(self, low: str) -> Sequence[tuple[str, str]]:
        """Facts that the text names, with their cue; a cue inside another found cue does not count."""
        found = [(name, next((cue for cue in cues if cue in low), "")) for name, cues in self.cues.items()]
        named = [(name, cue) for name, cue in found if cue]
        return [(name, cue) for name, cue in named if not any(cue != other and cue in other for _, other in named)]

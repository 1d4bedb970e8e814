"""Turns as plans and in words, facts in text, and understanding of the agent's text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from personaevo import definitions
from personaevo.definitions import Domain
from personaevo.measure.fingerprint import COMPUTED, words_of
from personaevo.records import Task

MoveKind = Literal[
    "greet", "goal", "fact", "correct", "remind", "answer", "affirm", "ack", "go_on", "close", "give_up",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """One dialogue move: ``name`` and ``value`` of its fact, as this user writes it, and ``room``, the number of words that it may take."""

    kind: MoveKind
    room: int
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """One turn before it is worded: its length in words, the moves in order, and the behaviors to show (names of features, the longest
    first). ``leaves``: it is the user's last turn."""

    words: int
    moves: tuple[Move, ...] = ()
    shows: tuple[str, ...] = ()
    leaves: bool = False

    @property
    def bare(self) -> bool:
        """Whether the turn is a bare acknowledgement."""
        return bool(self.moves) and self.moves[0].kind == "ack"

    @property
    def facts(self) -> tuple[str, ...]:
        """Names of the facts that the turn gives."""
        return tuple(move.name for move in self.moves if move.name)


@dataclass(frozen=True, slots=True)
class Realization:
    """A turn in words: its text, its number of words, the facts that it gave (one name for each time), whether it said the goal, the
    behaviors of the plan that it could not show, and the points in which it broke its plan."""

    text: str
    words: int
    given: tuple[str, ...] = ()
    goal: bool = False
    unshown: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()


def seed_of(*parts: object) -> int:
    """A 63-bit seed that depends on the parts alone (run seed, task, slot, purpose)."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


_SPELLED = dict(zip(
    map(str, range(13)),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), strict=True,
))  # fmt: skip
_SMALL = frozenset(("a", "an", "the", "my", "our", "your", "to", "for", "of", "on", "in", "at", "some", "that", "is", "are", "this"))
_DIGIT = re.compile(r"[0-9]")


def facts_of(task: Task) -> dict[str, str]:
    """The task's facts whose name and value are not blank."""
    return {name: value for name, value in task.facts.items() if name.strip() and value.strip()}


def has_digit(word: str) -> bool:
    """Whether the word holds a digit."""
    if word.isalpha():
        return False
    return _DIGIT.search(word) is not None or (not word.isascii() and any(map(str.isdigit, word)))  # superscripts too


def count_numbers(text: str) -> int:
    """The number of words with a digit."""
    return sum(map(has_digit, text.split()))


def spell_out(value: str) -> str:
    """The value with whole numbers up to twelve as words ("5 bags" gives "five bags", "007" stays)."""
    words = value.split()
    spelled = [_SPELLED.get(word, word) for word in words]
    return value if spelled == words else " ".join(spelled)


def telegraphic(text: str) -> str:
    """The text without function words ("move my flight to the evening" gives "move flight evening"); the whole text if it has no others."""
    return " ".join(word for word in text.split() if word.lower() not in _SMALL) or text


def number_of(value: str) -> str:
    """The value's first number with the word after it ("10 dollars each fall" gives "10 dollars"); empty if it has none."""
    words = value.split()
    for index, word in enumerate(words):
        if has_digit(word):
            return " ".join([word, *(following for following in words[index + 1 : index + 2] if following.isalpha())])
    return ""


def mentions(text: str, value: str) -> bool:
    """Whether ``text`` (lower case) has the value as whole words, in digits or spelled out."""
    return has_form(text, forms_of(value))


def forms_of(value: str) -> tuple[str, ...]:
    """The value in lower case, in digits and, if that differs, spelled out."""
    low = value.lower()
    spelled = spell_out(low)
    return (low,) if spelled == low else (low, spelled)


def has_form(text: str, forms: Sequence[str]) -> bool:
    """Whether ``text`` (lower case) has one of the forms as whole words."""
    return any(_has_words(text, form) for form in forms)


def _has_words(text: str, words: str) -> bool:
    """Whether the words occur in the text without a letter or digit directly before or after them."""
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not text[max(at - 1, 0) : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(words, at + 1)
    return False


def numbers_in(text: str) -> set[str]:
    """The words of the text with a digit, without outer punctuation, in lower case."""
    return {word.strip(".,;:!?()\"'").lower() for word in text.split() if has_digit(word)} if has_digit(text) else set()


_DRESSED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|(?<=\d)\.0+(?!\d)")
_PIECE = re.compile(r"[^\W_]+")
_UNIT = re.compile(r"(?<=\d)(?:st|nd|rd|th|am|pm)$")
_STEM = 5  # letters by which words are compared: "change" and "changing", "canceled" and "cancelled"
_MOST_OF_A_FACT = 2 / 3
_SHORTEST_CODE = 4
_FUNCTION_WORDS = frozenset(
    "a about all am an and any are around as at be been but by can do for from get give had has have her his how i if in into is it its "
    "just me more most my no not of off on or our out over she he so some than that the their them then there these they this those to "
    "up us was we were what when which who will with would you your".split()
)


def spoken_numbers(text: str) -> set[str]:
    """The numbers and codes of free text in normal form: "the 14th" is 14, "$1,200.00" is 1200, and "555-0142" is 555 and 0142."""
    bare = _DRESSED.sub("", text.lower())
    return {_UNIT.sub("", word) for word in _PIECE.findall(bare) if has_digit(word)}


def states(text: str, value: str) -> bool:
    """Whether the text gives a fact's value: verbatim, as the same code with other gaps, or all its numbers with two thirds of its other
    words (function words do not count, and words are compared by their first five letters)."""
    if mentions(text.lower(), value):
        return True
    numbers, words = spoken_numbers(value), _stems(value)
    code, letters = ("".join(filter(str.isalnum, one.lower())) for one in (value, text))
    if numbers and len(code) >= _SHORTEST_CODE and code in letters:
        return True
    if not numbers <= spoken_numbers(text):
        return False
    found = len(words & _stems(text))
    return found >= _MOST_OF_A_FACT * len(words) if words else bool(numbers)


class GoalTracker:
    """Tracks over turns whether a goal has been said: more than half of its content words were."""

    def __init__(self, goal: str) -> None:
        self.words = _stems(goal) | spoken_numbers(goal)
        self.missing = set(self.words)

    def after(self, text: str) -> bool:
        """Whether the goal has been said, after this text too."""
        self.missing -= _stems(text) | spoken_numbers(text)
        return 2 * len(self.missing) < len(self.words) or not self.words


def _stems(text: str) -> set[str]:
    """The first letters of the text's content words; words with a digit are numbers or codes and do not count."""
    words = words_of([text])[0]
    return {word[:_STEM] for word in words if word not in _FUNCTION_WORDS and not any(map(str.isdigit, word))}


def realization_of(
    text: str, plan: TurnPlan, draft: Realization, facts: Mapping[str, str], goal: bool, broke: Sequence[str] = ()
) -> Realization:
    """The parts of the plan that the text realizes. ``draft`` has what the templates could not show, ``facts`` are the task's, ``goal``:
    the goal has been said."""
    given = tuple(name for name, value in facts.items() if states(text, value))
    given += tuple(move.name for move in plan.moves if move.name and move.name not in given and states(text, move.value))
    shown = {*definitions.features().shown(text), *COMPUTED, *draft.unshown}
    unshown = tuple(name for name in plan.shows if name not in shown)
    return Realization(text, len(words_of([text])[0]), given, goal, (*draft.unshown, *unshown), tuple(broke))


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
        self.forms = {name: forms_of(value) for name, value in facts_of(task).items()} if task else {}
        self.closings = (*_CLOSING, *(phrase.text.lower() for phrase in domain.agent.get("more", ())))
        self.cues = {name: (name.lower(), *(cue.lower() for cue in domain.cues.get(name, ()))) for name in self.forms}

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
        return replace(heard, closing=True) if heard.quiet and _DISMISSING.search(low) else heard

    def _before_closing(self, low: str) -> str | None:
        """The text without the question whether that was all; None if it does not ask that."""
        if not any(map(low.__contains__, self.closings)):
            return None
        for phrase in self.closings[len(_CLOSING) :]:
            low = low.replace(phrase, " ")
        return "".join(one for one in _SENTENCE.findall(low) if not any(phrase in one for phrase in _CLOSING))

    def _asked(self, low: str, given: Mapping[str, int]) -> Understood:
        """Interpret the requests in a text, by the facts' names."""
        asked, misread = self._facts_asked(low, given) if _REQUEST.search(low) else ([], None)
        if misread is not None:
            return Understood(misread=misread, question=True, wants=True)
        question = "?" in low
        wants, offers = question or _WANTING.search(low) is not None, question and _OFFERING.search(low) is not None
        return Understood(
            tuple(asked[:_ASKED_AT_ONCE]), question=question, wants=wants, offers=offers,
            done=not question and _DONE.search(low) is not None, brief=len(low.split()) <= _BRIEF,
            open=not asked and not offers and (_ASKING.search(low) is not None if question else wants),
        )  # fmt: skip

    def _facts_asked(self, low: str, given: Mapping[str, int]) -> tuple[list[str], str | None]:
        """The facts that a request asks for, or one that it reads back wrongly."""
        asked: list[str] = []
        rest = low.replace(self.goal, " ") if " " in self.goal else low
        for name, cue in self._named(rest):
            start = max(rest.rfind(end, 0, rest.find(cue)) for end in _SENTENCE_ENDS) + 1
            if _ASKING.search(rest, start):
                asked.append(name)
            elif not has_form(rest, self.forms[name]):
                if given[name] and _CHECKING.search(rest, start):
                    return [], name
                asked.append(name)
        return asked, None

    def _named(self, low: str) -> Sequence[tuple[str, str]]:
        """Facts that the text names, with their cue; a cue inside another found cue does not count."""
        found = [(name, next((cue for cue in cues if cue in low), "")) for name, cues in self.cues.items()]
        named = [(name, cue) for name, cue in found if cue]
        return [(name, cue) for name, cue in named if not any(cue != other and cue in other for _, other in named)]

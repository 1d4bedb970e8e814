"""Undirected users, whose state is inferred from text, and those played by a chat model.

The roles are flipped for the model: the agent's turns are its "user" messages, its own turns are "assistant" messages. Task texts and
personas are quoted data in its prompt. The model's end marker or the persona's patience ends the dialogue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from personaevo.chat import ChatModel, Message, Role
from personaevo.definitions import Domain, prompt
from personaevo.records import Persona, PlanItem, Task
from personaevo.simulate.episodes import EpisodeError
from personaevo.simulate.templates import filled
from personaevo.simulate.turns import GoalTracker, Understanding, Understood, facts_of, states
from personaevo.simulate.typist import Typist
from personaevo.text import parted, quoted


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


Position = Literal["before", "after"]

MAX_TURN = 4_000  # characters of one turn of the user
_MAX_READ = 200_000  # characters of a reply that are looked at
_MAX_PERSONA = 12_000  # a description and a policy of the greatest length
_NOTHING = "(nothing)"
_PEELS = 3  # labels, quotation marks and markers may be wrapped around each other

_END = re.compile(r"[*_`]{0,3}(?:\[ ?DONE ?(?:: ?(?P<why>\w{1,20}) ?)?\]|###\s?STOP\s?###)[*_`]{0,3}\.?", re.IGNORECASE)
_DIRECTION = re.compile(r"\[(?=\s{0,3}stage\s{1,3}direction)", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("«", "»"), ("„", "“"))
_NAMES = {
    "user": "(?:simulated )?(?:user|customer|client|caller|human)",
    "assistant": (
        "(?:(?:(?:customer )?(?:service|support)|ai) )?(?:agent|assistant|representative|rep|(?:chat)?bot)|customer (?:service|support)"
    ),
}
_LABELS = {role: rf"[ \t]{{0,8}}[*_\[(]{{0,3}}(?:{names})[*_\])]{{0,3}}[ \t]?:[*_]{{0,3}}" for role, names in _NAMES.items()}
_OWN = {role: re.compile(rf"\A{label}", re.IGNORECASE) for role, label in _LABELS.items()}
_ON_A_LINE = {role: re.compile(rf"^{label}", re.IGNORECASE | re.MULTILINE) for role, label in _LABELS.items()}


# -- parsing the answer --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn without end markers (``text`` may be empty), whether it ``ended`` the dialogue, and whether it did so because the speaker
    gave up (``hopeless``)."""

    text: str
    ended: bool = False
    hopeless: bool = False


def without_markers(text: str, longest: int) -> Spoken:
    """The text without end markers (``[DONE]``, ``[DONE: hopeless]``, ``###STOP###``), trimmed, cut to ``longest`` characters, and valid
    for storage: no NUL, no lone surrogates."""
    text = text[:_MAX_READ].replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    reasons = [found["why"] for found in _END.finditer(text)]
    return Spoken(_END.sub("", text).strip()[:longest].rstrip(), bool(reasons), any(reasons))


def one_turn(reply: str, speaker: Role, longest: int = MAX_TURN) -> Spoken:
    """The turn of ``speaker`` in a model's reply: without reasoning, end markers, a speaker label and surrounding quotation marks. Text
    from where the model continues as the other side is cut; end markers in it do not count."""
    text = parted(reply[:_MAX_READ]).said
    other = _ON_A_LINE["assistant" if speaker == "user" else "user"].search(text)
    spoken = without_markers(text[: other.start()] if other else text, _MAX_READ)
    text = spoken.text
    for _ in range(_PEELS):
        text = _unquoted(_OWN[speaker].sub("", text, count=1).strip())
    return Spoken(text[:longest].rstrip(), spoken.ended, spoken.hopeless)


def _unquoted(text: str) -> str:
    """The text without quotation marks around the whole; the marks of two quotations stay."""
    for first, last in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == first and text[-1] == last and first not in inner and last not in inner:
            return inner.strip()
    return text


def ask(model: ChatModel, messages: Sequence[Message], speaker: Role, sample: int, longest: int = MAX_TURN) -> Spoken:
    """The model's next turn as ``speaker``. An empty reply that does not end the dialogue is requested once more, as the next sample, and
    so is a user's turn that reached the token limit.

    Raises:
        EpisodeError: the second reply is empty or cut as well.
    """
    who, problem = "user" if speaker == "user" else "agent", ""
    for attempt in (sample, sample + 1):
        reply = model.reply(tuple(messages), sample=attempt)
        spoken = one_turn(reply.text, speaker, longest)
        if reply.cut and speaker == "user":
            problem = "reached its token limit"
        elif spoken.text or spoken.ended:
            return spoken
        else:
            problem = "said nothing"
    raise EpisodeError(f"the {who} model {problem}")


def heard_text(text: str) -> str:
    """Text of the other side, with stage directions in it disarmed."""
    return _DIRECTION.sub("(", text)


def sample_of(item: PlanItem) -> int:
    """The sample index of all calls of an episode, so that other slots and seeds are drawn independently."""
    return item.seed % 2**31


# -- the prompt ----------------------------------------------------------------------------------------------------------------


def system_prompt(task: Task, persona: Persona | None, domain: Domain, position: Position = "after") -> str:
    """The system prompt of the user's model: the rules, then the task and, before or after it, the persona if there is one."""
    parts = prompt("user", "rules", "task", "persona", "opening", "last")
    facts = "\n".join(f"{_flat(name)}: {_flat(value)}" for name, value in facts_of(task).items())
    about = filled(
        parts["task"],
        setting=quoted("setting", _flat(domain.title)),
        goal=quoted("goal", task.goal.strip()),
        facts=quoted("facts", facts or _NOTHING),
        context=quoted("situation", task.context.strip() or _NOTHING),
    )
    blocks = [about]
    if persona is not None:
        block = filled(parts["persona"], persona=quoted("persona", persona.text, _MAX_PERSONA))
        blocks.insert(0 if position == "before" else 1, block)
    return "\n\n".join([parts["rules"], *blocks])


def _flat(text: str) -> str:
    return " ".join(text.split())


# -- the user ------------------------------------------------------------------------------------------------------------------


class ModelUser(ObservedUser):
    """One user in one dialogue, played by a chat model. ``say(heard)`` gives the next turn, or None once the user has left.

    ``outcome`` is "completed" when the model says that it is done, "gave_up" when it says that it is hopeless or when the persona's dial
    ``patience_turns`` is used up: after so many turns it is asked for one last turn (one turn later if the agent just asked whether that
    was all). ``asked``, ``given`` and ``goal_said`` are inferred from text (see ``states`` and ``GoalTracker``). The ``typist``, if there
    is one, types the model's turns; the model sees its own words.
    """

    def __init__(
        self, model: ChatModel, task: Task, persona: Persona | None, domain: Domain, *, sample: int = 0, position: Position = "after",
        typist: Typist | None = None,
    ) -> None:  # fmt: skip
        super().__init__(task, domain)
        self.model, self.sample, self.typist = model, sample, typist
        self.directions = prompt("user", "opening", "last")
        self.messages = [Message("system", system_prompt(task, persona, domain, position))]
        self.patience = persona.dials.get("patience_turns", math.inf) if persona is not None else math.inf
        self.turns = 0

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start).

        Raises:
            EpisodeError: the model said nothing, twice. Its own errors are raised as they are.
        """
        if self.outcome:
            return None
        understood = self.hears(heard)
        over = self.turns - self.patience
        if over >= 1 or (over >= 0 and not understood.closing):
            return self._last_turn(heard)
        self.messages.append(Message("user", self.directions["opening"] if heard is None else heard_text(heard)))
        spoken = ask(self.model, self.messages, "user", self.sample)
        if spoken.ended:
            self.outcome = "gave_up" if spoken.hopeless else "completed"
        return self._said(spoken.text)

    def _last_turn(self, heard: str | None) -> str | None:
        """Ask for the last turn; if it is empty, the user leaves without one."""
        self.messages.append(Message("user", "\n\n".join([heard_text(heard or ""), self.directions["last"]]).strip()))
        reply = self.model.reply(tuple(self.messages), sample=self.sample)
        self.outcome = "gave_up"
        return self._said(one_turn(reply.text, "user").text)

    def _said(self, text: str) -> str | None:
        if not text:
            return None
        self.messages.append(Message("assistant", text))
        self.turns += 1
        self.says(text)
        return text if self.typist is None else self.typist.type(text, self.turns)

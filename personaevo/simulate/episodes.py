"""Episodes of the embedded engine: the scripted agent, directed users, and the dialogue loop with task preservation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from personaevo import definitions, injection
from personaevo.chat import Agent, Role
from personaevo.definitions import Domain, Phrase
from personaevo.errors import InputError, PersonaevoError
from personaevo.measure.fingerprint import Fingerprints, apply_losses, words_of
from personaevo.readers import layouts
from personaevo.records import Dialogue, Episode, Persona, PlanItem, Task
from personaevo.simulate.director import DEFAULT_TURN_LIMIT, Director
from personaevo.simulate.templates import filled, templates_for
from personaevo.simulate.turns import (
    Realization,
    TurnPlan,
    facts_of,
    forms_of,
    has_form,
    mentions,
    numbers_in,
    seed_of,
    spoken_numbers,
    telegraphic,
)
from personaevo.simulate.typist import Typist, typist_for

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
        self.forms = {name: forms_of(value) for name, value in self.facts.items()}
        self.known: set[str] = set()
        self.checked: set[str] = set()
        self.used: set[str] = set()
        self.stage = "open"
        self.corrected: str | None = None

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The next turn, or None after the farewell."""
        heard = turns[-1][1] if turns else ""
        texts = [text for role, text in turns if role == "user"]
        lead = ""
        if self.corrected is not None:
            self.corrected, lead = None, self._line("sorry")
        elif "?" in heard and self.stage != "open":
            lead = self._line("answer")
        body = self._next(" ".join(texts).lower(), len(texts), "?" in heard)
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
        self.known.update([name for name, forms in self.forms.items() if name not in self.known and has_form(said, forms)])
        known = [name for name in self.facts if name in self.known]
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


# Share of turns from templates that begin with the value of a fact, by the side that opens: if the agent opens, the user answers more.
VALUES_FIRST = {"user": 0.13, "agent": 0.19}


class Voice(Protocol):
    """Words the plans of one dialogue."""

    def say(self, plan: TurnPlan, heard: str | None) -> Realization:
        """The plan in words, after the agent's text ``heard`` (None at the very start)."""
        ...


class DirectedUser:
    """One user in one dialogue. ``say(heard)`` returns the next turn, or None once the user has left. A typist types the turn after the
    director was told its wording.

    ``broke`` has, for each turn that broke its plan, the turn's number (from 1) and the points.
    """

    def __init__(self, director: Director, voice: Voice, typist: Typist | None = None) -> None:
        self.director, self.voice, self.typist = director, voice, typist
        self.asked, self.given = director.asked, director.given  # names of requested facts, and how often each fact was given
        self.turns, self.outcome, self.goal_said = 0, "", False  # outcome: "completed" or "gave_up" once the user has left
        self.broke: list[tuple[int, tuple[str, ...]]] = []

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text ``heard`` (None at the very start)."""
        plan = self.director.plan(heard)
        self.outcome = self.director.outcome
        if plan is None:
            return None
        said = self.voice.say(plan, heard)
        self.director.said(said)
        self.goal_said = self.director.goal_said
        self.turns += 1
        if said.broke:
            self.broke.append((self.turns, said.broke))
        return said.text if self.typist is None else self.typist.type(said.text, self.turns)


def embedded_user(task: Task, dials: Mapping[str, float], domain: Domain, seed: int) -> DirectedUser:
    """The user of the embedded engine: director, templates and, if a dial of typing is set, a typist, which then makes the slips. Equal
    arguments give equal users."""
    director = Director(task, dials, domain, random.Random(seed_of(seed, "user")))
    slips = director.level["slips_per_100_words"] or 0.0
    typist = typist_for({**dials, "slips_per_100_words": slips}, seed, task, values_first=VALUES_FIRST[domain.opens])
    templates = templates_for(task, domain, random.Random(seed_of(seed, "wording")), dials, 0.0 if typist else slips)
    return DirectedUser(director, templates, typist)


class EpisodeError(PersonaevoError):
    """A dialogue cannot continue: one of its sides fails or says nothing. The episode fails, the search continues."""


class User(Protocol):
    """One user in one dialogue. ``outcome`` is "completed" or "gave_up" once the user leaves, "" before; ``asked`` has the names of facts
    that the agent asked for, ``given`` how often each fact was given; ``goal_said``: the goal was said; ``broke``: the turns that broke
    their plan (see ``records.Episode``)."""

    outcome: str
    goal_said: bool
    asked: set[str]
    given: dict[str, int]
    broke: list[tuple[int, tuple[str, ...]]]

    def say(self, heard: str | None) -> str | None:
        """The next turn after the agent's text (None at the very start), or None once the user has left."""
        ...


MakeUser = Callable[[Task, Persona | None, PlanItem, Domain], User]
MakeAgent = Callable[[Task, PlanItem, Domain], Agent]


def run_episode(
    task: Task,
    persona: Persona | None,
    item: PlanItem,
    domain: Domain,
    agent: Agent | None = None,
    *,
    make_user: MakeUser | None = None,
    make_agent: MakeAgent | None = None,
) -> Episode:
    """Play one dialogue; ``persona`` None is the persona-free simulator.

    ``make_user`` None is the embedded user. The agent is ``agent`` if given, else that of ``make_agent``, else the domain's scripted
    agent. With these defaults equal arguments give equal dialogues; models get the same messages and sample.

    An ``EpisodeError`` gives a failed episode with its message as the reason, fault "infrastructure", and the turns so far. Errors of a
    model are raised unchanged. The episode has no fingerprint and P(human) yet: these are measured later.
    """
    turns: list[tuple[Role, str]] = []
    try:
        if make_user is not None:
            user = make_user(task, persona, item, domain)
        else:
            user = embedded_user(task, persona.dials if persona is not None else {}, domain, item.seed)
        if agent is None:
            scripted = random.Random(seed_of(item.seed, "agent"))
            agent = make_agent(task, item, domain) if make_agent is not None else ScriptedAgent(task, domain, scripted)
        _talk(user, agent, domain, turns, answer_farewell=make_user is None and make_agent is None)
        if make_user is not None and not any(words_of([text for role, text in turns if role == "user"])):
            raise EpisodeError("the user left without a word")
    except EpisodeError as error:
        return Episode(item=item, state="failed", turns=tuple(turns), persona=persona, reason=str(error), fault="infrastructure")
    return Episode(
        item=item,
        state="completed",
        turns=tuple(turns),
        outcome=user.outcome or "turn_limit",
        preservation=preservation(task, user, turns, numbers_in if make_user is None else spoken_numbers),
        persona=persona,
        broke=tuple(user.broke),
    )


def _talk(user: User, agent: Agent, domain: Domain, turns: list[tuple[Role, str]], *, answer_farewell: bool) -> None:
    """Append the dialogue to ``turns``. Unless ``answer_farewell``, the agent gets no turn once the user has left."""
    heard = agent.reply(turns) if domain.opens == "agent" else None
    if heard is not None:
        turns.append(("assistant", heard))
    for _ in range(int(domain.script.get("turn_limit", DEFAULT_TURN_LIMIT))):
        said = user.say(heard)
        if said is None:
            break
        turns.append(("user", said))
        if user.outcome and not answer_farewell:
            break
        heard = agent.reply(turns)
        if heard is None:
            break
        turns.append(("assistant", heard))


def preservation(task: Task, user: User, turns: Sequence[tuple[Role, str]], numbers: Callable[[str], set[str]]) -> float:
    """Task preservation in a dialogue, 0..1: the mean of three checks. Stated numbers are the task's (or the agent's), requested facts were
    given, the goal was said and not given up."""
    given = sum(user.given[name] > 0 for name in user.asked) / len(user.asked) if user.asked else 1.0
    return (_own_numbers(task, turns, numbers) + given + (user.goal_said and user.outcome != "gave_up")) / 3.0


def _own_numbers(task: Task, turns: Sequence[tuple[Role, str]], numbers: Callable[[str], set[str]]) -> float:
    """The share of the user's numbers that the task or the agent stated."""
    known = numbers(" ".join([task.goal, task.context, *task.facts, *task.facts.values()]))
    stated: set[str] = set()
    for role, text in turns:
        if role == "assistant":
            known |= numbers(text)
        else:
            stated |= numbers(text)
    return len(stated & known) / len(stated) if stated else 1.0


def refused(episode: Episode) -> Episode:
    """The episode, failed if its user addresses the judge or a model instead of the agent (prompt injection)."""
    for number, (role, text) in enumerate(episode.turns, start=1):
        flag = injection.find(text) if role == "user" else None
        if flag is not None:
            reason = f"turn {number}, by the user, is not said to the agent: '{flag.excerpt}' (pattern '{flag.pattern}': {flag.why})"
            return replace(episode, state="failed", reason=reason, fault="program")
    return episode


def measured(episodes: Sequence[Episode], losses: tuple[str, ...]) -> tuple[Episode, ...]:
    """The episodes, completed ones with their fingerprints, measured after the same losses of case and punctuation as the reference."""
    done = [index for index, one in enumerate(episodes) if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in episodes[index].turns if role == "user"] for index in done]
    values = definitions.features().measure(texts).values
    found = list(episodes)
    for row, index in enumerate(done):
        found[index] = replace(found[index], fingerprint=tuple(map(float, values[row])))
    return tuple(found)


_EXPECTED = "expected a Dialogue, a dict with turns, a list of messages (role, content), or the user's turns as a list of texts"


def fingerprint(dialogues: Iterable[Dialogue | Mapping[str, Any] | Sequence[Any]]) -> Fingerprints:
    """Measure the user's side of dialogues: ``values[n, d]``, one row for each dialogue in order, with the columns' ``names``.

    A dialogue is a ``Dialogue``; a dict with turns under "turns", "messages" or another key of ``fitness/layouts.toml``; a list of
    messages, each a dict or an object with a role and a content (a text, None, or a list of parts of which text counts); or the user's
    turns alone, as a list of texts. Turns of the assistant, the system and tools are skipped; "human" and "customer" are users too.

    Raises:
        InputError: the argument or a dialogue has another type (put a single dialogue into a list), a role is unknown, or a dialogue has
            no user turn with a word in it.
    """
    if isinstance(dialogues, str | bytes | Mapping | Dialogue) or not isinstance(dialogues, Iterable):
        raise InputError(f"fingerprint: expected a list of dialogues, got {_kind(dialogues)}; put one dialogue into a list")
    roles = layouts.Roles()
    texts = [_user_texts(one, f"dialogue {index} (counted from 0)", roles) for index, one in enumerate(dialogues)]
    return definitions.features().measure(texts)


def _user_texts(given: Any, where: str, roles: layouts.Roles) -> list[str]:
    if isinstance(given, Dialogue):
        return given.user_texts()
    turns = given
    if isinstance(given, Mapping):
        values = layouts.unpacked(dict(given))
        key = layouts.turns_key(values)
        if layouts.is_turn(values) and key is None:
            raise InputError(f"fingerprint: {where} is one message: {_EXPECTED}; put the messages of a dialogue into a list")
        if key is None:
            raise InputError(f"fingerprint: {where}: {_EXPECTED}, got a dict with the keys {sorted(map(str, values))[:6]}")
        turns = values[key]
    if isinstance(turns, str | bytes | Mapping) or not isinstance(turns, Sequence):
        raise InputError(f"fingerprint: {where}: {_EXPECTED}, got {_kind(turns)}")
    if all(isinstance(turn, str) for turn in turns) and turns is given:
        return list(turns)
    return [text for turn in turns for text in _said(turn, where, roles)]


def _said(turn: Any, where: str, roles: layouts.Roles) -> list[str]:
    """The text of one turn, if it is the user's."""
    names = layouts.keys()
    values = turn if isinstance(turn, Mapping) else {name: getattr(turn, name, None) for name in ("role", "content")}
    role = layouts.first(values, names.role)
    name = getattr(values[role], "value", values[role]) if role else None
    if not isinstance(name, str):
        raise InputError(f"fingerprint: {where}: {_EXPECTED}, got {_kind(turn)} among the turns")
    side = roles.side(name)
    if side is None:
        raise InputError(f"fingerprint: {where}: expected turns of user and assistant, got the role {name[:40]!r}; rename it")
    content = layouts.first(values, names.content)
    return [_text(values[content], where)] if side == "user" and content else []


def _text(content: Any, where: str) -> str:
    """A content's text: of a list of parts those that have text."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") or "" if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"fingerprint: {where}: expected the content of a turn as text, got {_kind(content)}")
    return "\n".join(texts)


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"

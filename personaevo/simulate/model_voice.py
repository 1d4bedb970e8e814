"""Plans worded by a chat model, one small request per turn, whose answer is checked against the plan: length, facts, and role.

With the wording "draft" the model rewords the templates' turn; with "direction" it plays the user and gets one stage direction after the
agent's message. A turn that breaks its plan is requested once more, and the better of the two is used.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from personaevo import definitions
from personaevo.chat import ChatModel, Message
from personaevo.definitions import Domain, prompt
from personaevo.measure.fingerprint import words_of
from personaevo.records import Persona, PlanItem, Task, Wording
from personaevo.simulate.curves import Calibration
from personaevo.simulate.directions import direction
from personaevo.simulate.director import Director
from personaevo.simulate.draws import SHORT
from personaevo.simulate.episodes import DirectedUser, MakeUser, User
from personaevo.simulate.model_users import ModelUser, Position, ask, heard_text, sample_of, system_prompt
from personaevo.simulate.templates import Templates, filled, templates_for
from personaevo.simulate.turns import (
    GoalTracker,
    Realization,
    TurnPlan,
    facts_of,
    has_digit,
    realization_of,
    seed_of,
    spoken_numbers,
    states,
)
from personaevo.simulate.typist import typist_for

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


_SECOND = 7919  # added to the sample index of a second request, so that it is drawn independently


class ModelVoice(ABC):
    """Words the plans of one dialogue with a chat model. ``sample`` distinguishes dialogues with the same messages."""

    def __init__(self, model: ChatModel, task: Task, templates: Templates, sample: int) -> None:
        self.model, self.templates, self.sample = model, templates, sample
        self.checks, self.goal = Checks(task), GoalTracker(task.goal)
        self.given = dict.fromkeys(self.checks.facts, 0)

    def say(self, plan: TurnPlan, heard: str | None) -> Realization:
        """The plan in the model's words.

        Raises:
            EpisodeError: the model said nothing, twice. Its own errors are raised as they are.
        """
        draft = self.templates.say(plan, heard)
        plan = replace(plan, words=max(plan.words, draft.words))  # facts have fixed lengths
        text = self.ask(plan, heard, draft.text, None)
        broken = self.checks.broken(text, plan, heard, self.given)
        if broken:
            again = self.ask(plan, heard, draft.text, broken[0])
            left = self.checks.broken(again, plan, heard, self.given)
            first, second = (sum(10 if one.kind in GRAVE else 1 for one in points) for points in (broken, left))
            if second < first:
                text, broken = again, left
        self.took(text)
        said = realization_of(text, plan, draft, self.checks.facts, self.goal.after(text), [one.kind for one in broken])
        for name in said.given:
            self.given[name] += 1
        return said

    @abstractmethod
    def ask(self, plan: TurnPlan, heard: str | None, draft: str, problem: Broken | None) -> str:
        """Request the turn from the model; ``problem`` is the point broken in its first attempt."""

    def took(self, text: str) -> None:  # noqa: B027 - most voices need no memory
        """Record the chosen text of the turn."""


class DraftVoice(ModelVoice):
    """The model gets the agent's message and the templates' turn as a draft, and rewords it."""

    def __init__(self, model: ChatModel, task: Task, templates: Templates, sample: int) -> None:
        super().__init__(model, task, templates, sample)
        self.parts = prompt("reword", "rules", "turn", "opening", "examples", "note", "problems")
        self.problems = dict(line.split(": ", 1) for line in self.parts["problems"].splitlines() if ": " in line)
        self.before = [Message("system", self.parts["rules"]), *self._examples()]

    def ask(self, plan: TurnPlan, heard: str | None, draft: str, problem: Broken | None) -> str:
        """Request the draft in other words."""
        turn = self._turn(heard, draft)
        if problem is not None:
            note = filled(self.problems[problem.kind], value=problem.value, words=_words(plan.words))
            turn = f"{turn}\n{filled(self.parts['note'], problem=note)}"
        return ask(self.model, [*self.before, Message("user", turn)], "user", self.sample + (_SECOND if problem else 0)).text

    def _turn(self, heard: str | None, draft: str) -> str:
        words = _words(len(words_of([draft])[0]))
        return filled(self.parts["turn"], heard=heard_text(heard) if heard else self.parts["opening"], draft=draft, words=words)

    def _examples(self) -> list[Message]:
        found = []
        for block in self.parts["examples"].split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            found += [Message("user", self._turn(lines["agent"], lines["draft"])), Message("assistant", lines["said"])]
        return found


class DirectionVoice(ModelVoice):
    """The model plays the user and gets one stage direction after each of the agent's messages."""

    def __init__(self, model: ChatModel, task: Task, templates: Templates, sample: int, prompt_text: str) -> None:
        super().__init__(model, task, templates, sample)
        self.messages = [Message("system", prompt_text)]
        self.asked = Message("user", "")

    def ask(self, plan: TurnPlan, heard: str | None, draft: str, problem: Broken | None) -> str:
        """Request the turn with the plan as a stage direction."""
        goal, again = self.templates.goal, "" if problem is None else problem.kind
        self.asked = Message("user", f"{heard_text(heard or '')}\n\n{direction(plan, goal, again)}".strip())
        return ask(self.model, [*self.messages, self.asked], "user", self.sample + (_SECOND if problem else 0)).text

    def took(self, text: str) -> None:
        """Add the turn to the messages."""
        self.messages += [self.asked, Message("assistant", text)]


def directed_user(
    model: ChatModel, task: Task, persona: Persona, item: PlanItem, domain: Domain, wording: Wording = "draft",
    calibration: Calibration | None = None,
) -> DirectedUser:  # fmt: skip
    """A user whose turns the director plans, the model words and, if a dial of typing is set, a typist types. With a ``calibration`` the
    director corrects its requests so that the persona's dials are shown. The model sees its own untyped words. Equal arguments and equal
    agent texts give equal plans."""
    seed, sample = item.seed, sample_of(item)
    dials = persona.dials if calibration is None else calibration.invert(persona.dials)
    director = Director(task, dials, domain, random.Random(seed_of(seed, "user")))
    templates = templates_for(task, domain, random.Random(seed_of(seed, "wording")), dials, 0.0)
    typist = typist_for(persona.dials, seed, task)
    if wording == "draft":
        return DirectedUser(director, DraftVoice(model, task, templates, sample), typist)
    return DirectedUser(director, DirectionVoice(model, task, templates, sample, system_prompt(task, persona, domain)), typist)


def model_user(
    model: ChatModel, wording: Wording = "draft", position: Position = "after", calibration: Calibration | None = None
) -> MakeUser:
    """A factory of users played by the model, for ``run_episode``: directed ones (with the ``calibration``, if there is one), or with the
    ``wording`` "text" ones that get the persona's text once, at ``position`` before or after the task. Persona-free users have no
    director."""

    def make(task: Task, persona: Persona | None, item: PlanItem, domain: Domain) -> User:
        if persona is None or wording == "text":
            typist = typist_for(persona.dials, item.seed, task) if persona is not None else None
            return ModelUser(model, task, persona, domain, sample=sample_of(item), position=position, typist=typist)
        return directed_user(model, task, persona, item, domain, wording, calibration)

    return make


def _words(count: int) -> str:
    return f"{count} word{'s' if count != 1 else ''}"

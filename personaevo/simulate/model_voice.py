"""Plans worded by a chat model, one small request per turn, whose answer is checked against the plan.

No language model keeps a rate over a dialogue, but every one can do one thing in one turn. With the wording "draft" the model rewords the
templates' turn; with "direction" it plays the user and gets one stage direction after the agent's message. A turn that breaks its plan is
requested once more, and the better of the two is used.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import replace

from personaevo.chat import ChatModel, Message
from personaevo.definitions import Domain, prompt
from personaevo.measure.fingerprint import words_of
from personaevo.records import Persona, PlanItem, Task, Wording
from personaevo.simulate.checks import GRAVE, Broken, Checks
from personaevo.simulate.curves import Calibration
from personaevo.simulate.directions import direction
from personaevo.simulate.director import Director
from personaevo.simulate.episodes import MakeUser, User
from personaevo.simulate.model_users import ModelUser, Position, ask, heard_text, sample_of, system_prompt
from personaevo.simulate.plans import Realization, TurnPlan
from personaevo.simulate.seeds import seed_of
from personaevo.simulate.stated import GoalTracker, realization_of
from personaevo.simulate.templates import Templates, templates_for
from personaevo.simulate.typist import typist_for
from personaevo.simulate.users import DirectedUser
from personaevo.simulate.wording import filled

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

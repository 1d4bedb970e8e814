"""A person, a profile and scripted models for the roles of a refinement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from personaevo import definitions
from personaevo.chat import ChatModel, Message, Reply
from personaevo.models.wrappers import StructuredModel
from personaevo.records import Turn
from personaevo.refine.items.behavior import Action, DialogueItem, Item, SessionItem, Step, TextItem
from personaevo.refine.profile import Claim, Profile

NAMES = definitions.features().names
KNOWN = Claim(text="You are a careful person.", sources=("d0",))
PROFILE = Profile(sections={"background": (KNOWN,), "goals": (Claim(text="You want to be left in peace."),)})
WITH_DIALS = PROFILE.with_dials({"words_per_turn": 6.0})


def turns(*said: str) -> tuple[Turn, ...]:
    """The user first."""
    return tuple(Turn(role="user" if index % 2 == 0 else "assistant", content=text) for index, text in enumerate(said))


DIALOGUE = DialogueItem(
    id="d1", context="You are asked for a donation.", role="assistant",
    turns=turns(
        "Hi, do you know Save the Children?", "nope never heard", "They help children in war zones.", "how much of it arrives tho?"
    ),
)  # fmt: skip
TEXT = TextItem(id="t1", context="Review the film.", text="Far too long. I left before the end.")
SESSION = SessionItem(
    id="s1", context="Buy a lamp.",
    steps=(
        Step(
            action=Action(type="type_and_submit", name="search box", text="desk lamp"), observation="Home [search box]",
            rationale="I need light.",
        ),
        Step(action=Action(type="click", name="Lamp A"), observation="Results: Lamp A, Lamp B"),
        Step(action=Action(type="terminate"), observation="Lamp A, 80 dollars [Buy]", rationale="Too dear."),
    ),
)  # fmt: skip
ITEMS: tuple[Item, ...] = (DIALOGUE, TEXT, SESSION)
NEXT = {"rationale": "r", "type": "click", "name": "Lamp B", "text": ""}


class Scripted:
    """A model that answers by a function of the question's number and messages; keeps questions, forms and sample indices."""

    def __init__(self, answer: Callable[[int, Sequence[Message]], str | Exception | Reply]) -> None:
        self.answer, self.lock = answer, threading.Lock()
        self.asked: list[tuple[tuple[Message, ...], type[BaseModel] | None, int]] = []

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        with self.lock:
            number = len(self.asked)
            self.asked.append((tuple(messages), schema, sample))
        answer = self.answer(number, messages)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)


def says(*answers: str | Exception | Reply) -> Scripted:
    """One after the other, the last again and again."""
    return Scripted(lambda number, _: answers[min(number, len(answers) - 1)])


def formed(model: ChatModel) -> ChatModel:
    """As the models of a search are: what is not of the form is sent back once."""
    return StructuredModel(model, "refiner x")


def shown(messages: Sequence[Message]) -> str:
    return "".join(f"=== {message.role} ===\n{message.content}\n" for message in messages)


def texts(messages: Sequence[Message]) -> str:
    return "\n".join(message.content for message in messages)

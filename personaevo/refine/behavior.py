"""Behavior of one person: dialogues, single texts and sessions of actions, the moments a role-player answers, and the train/dev/test split.

Records only: ``reading`` reads files. Outcomes and ratings in a corpus are not kept: a profile may depend only on what is known beforehand
and on the behavior itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from personaevo.chat import Role
from personaevo.errors import InputError
from personaevo.readers.dialogues import MAX_TURNS
from personaevo.records import Record, Turn
from personaevo.text import one_line

MAX_ITEMS = 2_000
MAX_STEPS = 2_000
MAX_TEXT = 100_000  # characters
MAX_OBSERVATION = 20_000
MAX_NAME = 2_000

ActionType = Literal["click", "type_and_submit", "terminate"]
Id = Annotated[str, Field(min_length=1, max_length=200)]
Prose = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(max_length=MAX_NAME)]


class Action(Record):
    """One action on a page.

    Attributes:
        name: the element that was clicked or typed into.
        text: the text typed.
        kind: type of the click, where the log has it ("purchase", "search", …).
    """

    type: ActionType
    name: Name = ""
    text: Name = ""
    kind: Name = ""


class Step(Record):
    """One step of a session: the page that the person saw, the reason they gave ("" if not asked), and the action."""

    action: Action
    observation: Annotated[str, Field(max_length=MAX_OBSERVATION)] = ""
    rationale: Prose = ""


class Context(Record):
    """One moment at which a person acted: the input of a role-player, and the truth.

    Attributes:
        index: number of the turn or step in its item.
        prompt: what the person was told before the item began.
        truth: what the person said, wrote or did next.
        turns: the dialogue so far; the person is always the "user", whichever side they were on.
        steps, observation: the session so far.
    """

    item_id: str
    index: int
    prompt: str
    truth: str | Action
    turns: tuple[Turn, ...] = ()
    steps: tuple[Step, ...] = ()
    observation: str = ""


class DialogueItem(Record):
    """A dialogue with the person on the side of ``role``.

    Attributes:
        context: what the person was told beforehand.
        after: number of the first turn that counts; earlier turns are history and belong to another part of the split.
    """

    kind: Literal["dialogue"] = "dialogue"
    id: Id
    turns: Annotated[tuple[Turn, ...], Field(max_length=MAX_TURNS)]
    role: Role = "user"
    context: Prose = ""
    after: Annotated[int, Field(ge=0)] = 0

    def own(self) -> list[int]:
        """Numbers of the person's turns that have a word, from ``after`` on."""
        return [
            index for index, turn in enumerate(self.turns)
            if index >= self.after and turn.role == self.role and any(map(str.isalnum, turn.content))
        ]  # fmt: skip

    def texts(self) -> list[str]:
        """The person's turns as texts."""
        return [self.turns[index].content for index in self.own()]

    def seen(self) -> tuple[Turn, ...]:
        """All turns with the person as the "user"."""
        if self.role == "user":
            return self.turns
        return tuple(Turn(role="user" if turn.role == "assistant" else "assistant", content=turn.content) for turn in self.turns)

    def contexts(self) -> list[Context]:
        """One context for each of the person's turns that has a word."""
        turns = self.seen()
        return [
            Context(item_id=self.id, index=index, prompt=self.context, turns=turns[:index], truth=turns[index].content)
            for index in self.own()
        ]  # fmt: skip


class TextItem(Record):
    """A single text (a post, a review, an answer); ``context`` is what it answers."""

    kind: Literal["text"] = "text"
    id: Id
    text: Annotated[Prose, Field(pattern=r"\w")]
    context: Prose = ""

    def texts(self) -> list[str]:
        """The text, as a list."""
        return [self.text]

    def contexts(self) -> list[Context]:
        """The single moment of writing the text."""
        return [Context(item_id=self.id, index=0, prompt=self.context, truth=self.text)]


class SessionItem(Record):
    """A session of actions.

    Attributes:
        context: the person's goal, where known.
        after: number of the first step that counts; earlier steps are history and belong to another part of the split.
    """

    kind: Literal["actions"] = "actions"
    id: Id
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]
    context: Prose = ""
    after: Annotated[int, Field(ge=0)] = 0

    def texts(self) -> list[str]:
        """The person's typed texts and stated reasons, step by step."""
        own = self.steps[self.after :]
        return [text for step in own for text in (step.action.text, step.rationale) if any(map(str.isalnum, text))]

    def contexts(self) -> list[Context]:
        """One context for each step."""
        return [
            Context(
                item_id=self.id, index=index, prompt=self.context, steps=self.steps[:index],
                observation=self.steps[index].observation, truth=self.steps[index].action,
            )
            for index in range(self.after, len(self.steps))
        ]  # fmt: skip


Item = Annotated[DialogueItem | TextItem | SessionItem, Field(discriminator="kind")]


class Behavior(Record):
    """One person: items with unique ids, attributes (age, Big Five, …), and notes on data that was left out.

    Raises:
        InputError: there is no item, there are over 2,000, or two have the same id.
    """

    person: Id
    items: tuple[Item, ...]
    attributes: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _usable(self) -> Behavior:
        ids = [item.id for item in self.items]
        if not 1 <= len(ids) <= MAX_ITEMS:
            raise InputError(f"person '{one_line(self.person)}': expected 1 to {MAX_ITEMS:,} items of behavior, got {len(ids):,}")
        if len(set(ids)) < len(ids):
            twice = one_line(max(ids, key=ids.count))
            raise InputError(f"person '{one_line(self.person)}': two items have the id '{twice}'; give each an id of its own")
        return self

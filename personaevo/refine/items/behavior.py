"""Behavior of one person: dialogues, single texts and sessions of actions, the moments a role-player answers, and the train/dev/test split.

Records only: ``reading`` reads files. Outcomes and ratings in a corpus are not kept: a profile may depend only on what is known beforehand
and on the behavior itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from personaevo.chat import Role
from personaevo.errors import InputError
from personaevo.measure.fingerprint import words_of
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


RUN = 12  # two items that share so many words in a row overlap
GRAM = 8  # words of a short run
CONTAINED = 0.5  # two items overlap if one has more than this share of its short runs in common with the other
STEP_RUN, STEP_GRAM = 4, 2  # the same in steps of a session
KEPT_BACK = 3  # with one training item, the last third of it is dev
HELD_OUT = 4  # a quarter of the items is dev, and a quarter is test
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """Train, dev and test items in the order of the split.

    With ``fit_only`` there is only train, so scores are in-sample. ``notes`` are remarks for readers of the results.
    """

    train: tuple[Item, ...]
    dev: tuple[Item, ...] = ()
    test: tuple[Item, ...] = ()
    fit_only: bool = False
    notes: tuple[str, ...] = ()

    def texts(self) -> dict[str, dict[str, str]]:
        """The person's texts by part ("train", "dev", "test") and item id."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        return {part: {item.id: "\n".join(item.texts()) for item in items} for part, items in parts.items()}


def split(behavior: Behavior, seed: int, *, same_role: bool = True, role: Role | None = None, dev: bool = True) -> Parts:
    """Split one person's behavior.

    A unit is an item, or a group of items that overlap. One unit: all is train (``fit_only``). Two units: one is train, one test; dev is
    the last third of the person's turns or steps in the train item, which are removed from it (no dev if the item is a single text, has
    fewer than three turns or steps, or if the unit has several items). More units: a quarter each, at least one unit, is test and dev.

    Args:
        same_role: use dialogues on one side only: that of ``role``, else the side with more of them (the user's, of equally many).
        role: the side; applies even without ``same_role``.
        dev: whether to keep items back for dev; otherwise these are train. Test is the same.

    Raises:
        InputError: there is no dialogue on the side of ``role`` and nothing else.
    """
    items, notes = _of_role(behavior.items, same_role, role)
    keys = {item.id: json.dumps([seed, behavior.person, item.id]) for item in items}
    order = {name: hashlib.blake2b(key.encode(), digest_size=16).digest() for name, key in keys.items()}
    units = _units(sorted(items, key=lambda item: order[item.id]))
    for unit in units:
        if len(unit) > 1:
            names = ", ".join(one_line(item.id) for item in unit[:_SHOWN]) + (", …" if len(unit) > _SHOWN else "")
            notes.append(f"{len(unit)} items overlap and stay in one part: {names}")
    if len(units) == 1:
        notes.append("fit only: there is one item, or all overlap, so nothing is held out and scores are in-sample")
        return Parts(tuple(units[0]), fit_only=True, notes=tuple(notes))
    if len(units) == 2 and dev:
        train, kept_back, note = _train_and_dev(units[1])
        return Parts(train, kept_back, tuple(units[0]), notes=(*notes, note))
    count = max(1, len(units) // HELD_OUT)
    first = 2 * count if dev else count  # unit of train
    parts = (units[first:], units[count:first], units[:count])
    train_items, dev_items, test_items = (tuple(item for unit in part for item in unit) for part in parts)
    return Parts(train_items, dev_items, test_items, notes=tuple(notes))


def _of_role(items: Sequence[Item], same_role: bool, role: Role | None) -> tuple[list[Item], list[str]]:
    """The items of one role (items without a role stay), and a note on what is left out."""
    counts = Counter(item.role for item in items if isinstance(item, DialogueItem))
    if role is None and (not same_role or len(counts) < 2):
        return list(items), []
    chosen: Role = role or ("assistant" if counts["assistant"] > counts["user"] else "user")
    kept = [item for item in items if not isinstance(item, DialogueItem) or item.role == chosen]
    left = len(items) - len(kept)
    if not kept:
        raise InputError(f"expected dialogues with the person as '{chosen}', got {left:,} on the other side only; choose that role")
    return kept, [f"only the role '{chosen}' is used; dialogues on the other side, left out: {left:,}"] if left else []


def _train_and_dev(unit: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...], str]:
    """Train, dev and a note from a single unit."""
    (item, *others) = unit
    if others:
        return tuple(unit), (), "no dev: the train items overlap, so no turns can be kept back from one of them"
    if isinstance(item, TextItem):
        return (item,), (), "no dev: nothing can be kept back from a single text"
    moments = item.contexts()
    back = len(moments) // KEPT_BACK
    what = "turns" if isinstance(item, DialogueItem) else "steps"
    if not back:
        return (item,), (), f"no dev: the train item has only {len(moments)} {what} of the person"
    cut = moments[-back].index
    train: Item
    if isinstance(item, DialogueItem):
        train = item.model_copy(update={"turns": item.turns[:cut]})
    else:
        train = item.model_copy(update={"steps": item.steps[:cut]})
    dev = item.model_copy(update={"after": cut})
    return (train,), (dev,), f"dev is the last {back} of {len(moments)} {what} of the train item '{one_line(item.id)}', kept back from it"


# --- overlap


def _units(items: Sequence[Item]) -> list[list[Item]]:
    """Items grouped by overlap (transitively), in order of each group's first item."""
    group = list(range(len(items)))  # of each item the number of its group's first item
    for a, b in _overlaps(items):
        first, second = sorted((group[a], group[b]))
        if first != second:
            group = [first if number == second else number for number in group]
    units: dict[int, list[Item]] = {}
    for number, item in zip(group, items, strict=True):
        units.setdefault(number, []).append(item)
    return list(units.values())


def _overlaps(items: Sequence[Item]) -> set[tuple[int, int]]:
    """Pairs of items that share a long run, or of which one has most of its short runs in common with the other."""
    texts = [index for index, item in enumerate(items) if not isinstance(item, SessionItem)]
    own = {index: [word for words in words_of(items[index].texts()) for word in words] for index in texts}
    steps: dict[int, list[Hashable]] = {
        index: [(step.action, step.observation) for step in item.steps] for index, item in enumerate(items) if isinstance(item, SessionItem)
    }
    turns = {index: _runs_across_turns(item) for index, item in enumerate(items) if isinstance(item, DialogueItem)}
    return {
        *_sharing({index: _runs(words, RUN) for index, words in own.items()}),
        *_sharing({index: _runs(tokens, STEP_RUN) for index, tokens in steps.items()}),
        *_sharing(turns),
        *_contained({index: _runs(words, GRAM, whole=True) for index, words in own.items()}),
        *_contained({index: _runs(tokens, STEP_GRAM, whole=True) for index, tokens in steps.items()}),
    }


def _runs(tokens: Sequence[Hashable], size: int, *, whole: bool = False) -> frozenset[int]:
    """Hashes of all runs of ``size`` tokens; with ``whole``, of the full sequence if it is shorter."""
    if whole and 0 < len(tokens) < size:
        return frozenset({hash(tuple(tokens))})
    return frozenset(hash(tuple(tokens[start : start + size])) for start in range(len(tokens) - size + 1))


def _runs_across_turns(item: DialogueItem) -> frozenset[int]:
    """Hashes of the runs of words that cross a turn boundary: two dialogues share one only if they are parts of one dialogue."""
    words = words_of([turn.content for turn in item.turns])
    tokens: list[Hashable] = [token for turn, said in zip(item.turns, words, strict=True) for token in ((turn.role,), *said)]
    marks = [index for index, token in enumerate(tokens) if isinstance(token, tuple)]  # each turn begins with its role
    starts = {start for mark in marks for start in range(max(0, mark - RUN + 1), mark) if start + RUN < len(tokens)}
    return frozenset(hash(tuple(tokens[start : start + RUN + 1])) for start in starts)


def _sharing(runs: Mapping[int, frozenset[int]]) -> set[tuple[int, int]]:
    """Pairs that have a run in common: the first item with the run, and each other one."""
    first: dict[int, int] = {}
    return {(first[run], index) for index, found in runs.items() for run in found if first.setdefault(run, index) != index}


def _contained(runs: Mapping[int, frozenset[int]]) -> set[tuple[int, int]]:
    """Pairs of which the one with fewer runs has over half of them in common with the other."""
    holders: dict[int, list[int]] = {}
    found: set[tuple[int, int]] = set()
    for index, own in runs.items():
        shared = Counter(other for run in own for other in holders.get(run, ()))
        found |= {(other, index) for other, count in shared.items() if count > CONTAINED * min(len(own), len(runs[other]))}
        for run in own:
            holders.setdefault(run, []).append(index)
    return found

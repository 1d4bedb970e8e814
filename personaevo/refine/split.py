"""Which of a person's items a profile is made from (train), which decide on updates (dev), and which it is scored on (test).

The order of the items is that of hashes of (seed, person, item id): it is settled before anything is read, and does not change for the
others when an item comes or goes. Items that overlap are one unit and stay in one part.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from personaevo.errors import InputError
from personaevo.measure.fingerprint import words_of
from personaevo.records import Role
from personaevo.refine.behavior import Behavior, DialogueItem, Item, SessionItem, TextItem
from personaevo.text import one_line

RUN = 12  # words in a row that two items share by overlap only
GRAM = 8  # words; the share of an item's runs of so many that may be another's
CONTAINED = 0.5
STEP_RUN, STEP_GRAM = 4, 2  # the same in steps of a session
KEPT_BACK = 3  # the last of so many equal shares of the one training item is dev
HELD_OUT = 4  # one of so many items is dev, and one is test
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Parts:
    """Train, dev and test as items, in the order of the split; with ``fit_only`` there is only train, so nothing can be said of people as
    they are elsewhere. ``notes`` say in words whatever a reader of results must know."""

    train: tuple[Item, ...]
    dev: tuple[Item, ...] = ()
    test: tuple[Item, ...] = ()
    fit_only: bool = False
    notes: tuple[str, ...] = ()

    def texts(self) -> dict[str, dict[str, str]]:
        """What the person wrote, by part ("train", "dev", "test") and item id."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test}
        return {part: {item.id: "\n".join(item.texts()) for item in items} for part, items in parts.items()}


def split(behavior: Behavior, seed: int, *, same_role: bool = True, role: Role | None = None, dev: bool = True) -> Parts:
    """Train, dev and test of one person's behavior.

    Of one unit (an item, or items that overlap) all is train: fit only. Of two, one is train and one test; dev is the last third of what
    the person did in the train item, which is taken from it (nothing if that is a single text or fewer than three turns or steps, or if
    the unit has several items). Of more, a quarter each, at least one unit, is test and dev.

    Args:
        same_role: of dialogues only those on one side are taken: on that of ``role``, else on the side with more of them (of equally many
            the user's).
        role: which side; given, it holds in any case.
        dev: whether anything is kept back for dev; else it is train. Test is the same.
    """
    items, notes = _of_role(behavior.items, same_role, role)
    order = {item.id: _order(seed, behavior.person, item.id) for item in items}
    units = _units(sorted(items, key=lambda item: order[item.id]))
    for unit in units:
        if len(unit) > 1:
            names = ", ".join(one_line(item.id) for item in unit[:_SHOWN]) + (", …" if len(unit) > _SHOWN else "")
            notes.append(f"{len(unit)} items overlap and stay in one part: {names}")
    if len(units) == 1:
        notes.append("fit only: there is one item, or all overlap, so nothing is held out and scores are in-sample")
        return Parts(tuple(units[0]), fit_only=True, notes=tuple(notes))
    if len(units) == 2 and dev:
        train, kept_back, note = _kept_back(units[1])
        return Parts(train, kept_back, tuple(units[0]), notes=(*notes, note))
    count = max(1, len(units) // HELD_OUT)
    if not dev:
        return Parts(_flat(units[count:]), (), _flat(units[:count]), notes=tuple(notes))
    test, dev_units, train_units = units[:count], units[count : 2 * count], units[2 * count :]
    return Parts(_flat(train_units), _flat(dev_units), _flat(test), notes=tuple(notes))


def _flat(units: Sequence[Sequence[Item]]) -> tuple[Item, ...]:
    return tuple(item for unit in units for item in unit)


def _order(seed: int, person: str, identity: str) -> bytes:
    return hashlib.blake2b(json.dumps([seed, person, identity]).encode(), digest_size=16).digest()


def _of_role(items: Sequence[Item], same_role: bool, role: Role | None) -> tuple[list[Item], list[str]]:
    """The items of one role (those without one stay), and a note on what is left out."""
    counts = Counter(item.role for item in items if isinstance(item, DialogueItem))
    if role is None and (not same_role or len(counts) < 2):
        return list(items), []
    chosen: Role = role or ("assistant" if counts["assistant"] > counts["user"] else "user")
    kept = [item for item in items if not isinstance(item, DialogueItem) or item.role == chosen]
    left = len(items) - len(kept)
    if not kept:
        raise InputError(f"expected dialogues with the person as '{chosen}', got {left:,} on the other side only; choose that role")
    return kept, [f"only the role '{chosen}' is used; dialogues on the other side, left out: {left:,}"] if left else []


def _kept_back(unit: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...], str]:
    """Train, dev and a note from the one unit that is there for both."""
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
    """The items in their order, those that overlap (also by way of others) together at the place of the first."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for a, b in _overlaps(items):
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    units: dict[int, list[Item]] = {}
    for index, item in enumerate(items):
        units.setdefault(root(index), []).append(item)
    return list(units.values())


def _overlaps(items: Sequence[Item]) -> set[tuple[int, int]]:
    """Pairs of items that share a long run, or of which one has most of its short runs in common with the other."""
    texts = [index for index, item in enumerate(items) if not isinstance(item, SessionItem)]
    own = {index: [word for words in words_of(items[index].texts()) for word in words] for index in texts}
    steps = {index: _step_tokens(item) for index, item in enumerate(items) if isinstance(item, SessionItem)}
    turns = {index: _turn_tokens(item) for index, item in enumerate(items) if isinstance(item, DialogueItem)}
    return {
        *_sharing({index: _runs(words, RUN) for index, words in own.items()}),
        *_sharing({index: _runs(tokens, STEP_RUN) for index, tokens in steps.items()}),
        *_sharing({index: _across(tokens) for index, tokens in turns.items()}),
        *_contained({index: _runs(words, GRAM, whole=True) for index, words in own.items()}),
        *_contained({index: _runs(tokens, STEP_GRAM, whole=True) for index, tokens in steps.items()}),
    }


def _step_tokens(item: SessionItem) -> list[Hashable]:
    return [(step.action, step.observation) for step in item.steps]


def _turn_tokens(item: DialogueItem) -> list[Hashable]:
    """The words of both sides, with a mark before each turn."""
    words = words_of([turn.content for turn in item.turns])
    return [token for turn, said in zip(item.turns, words, strict=True) for token in ((turn.role,), *said)]


def _runs(tokens: Sequence[Hashable], size: int, *, whole: bool = False) -> frozenset[int]:
    """Hashes of all runs of ``size`` tokens; ``whole``: of all tokens, if there are fewer."""
    if whole and 0 < len(tokens) < size:
        return frozenset({hash(tuple(tokens))})
    return frozenset(hash(tuple(tokens[start : start + size])) for start in range(len(tokens) - size + 1))


def _across(tokens: Sequence[Hashable]) -> frozenset[int]:
    """Hashes of the runs of words that go on from one turn into the next: two dialogues share one only if they are parts of one."""
    marks = [index for index, token in enumerate(tokens) if isinstance(token, tuple)]
    starts = {start for mark in marks for start in range(max(0, mark - RUN + 1), mark) if start + RUN < len(tokens)}
    return frozenset(hash(tuple(tokens[start : start + RUN + 1])) for start in starts)


def _sharing(runs: Mapping[int, frozenset[int]]) -> set[tuple[int, int]]:
    """Pairs that have a run in common: for each run the first item with it, and each other."""
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

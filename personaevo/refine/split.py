"""Train, dev and test split of one person's items.

The order of items is that of hashes of (seed, person, item id), so it does not depend on content, and adding or removing an item does not
reorder the others. Overlapping items form one unit and stay in one part.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from personaevo.chat import Role
from personaevo.errors import InputError
from personaevo.measure.fingerprint import words_of
from personaevo.refine.behavior import Behavior, DialogueItem, Item, SessionItem, TextItem
from personaevo.text import one_line

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

"""Other people: what a person's fingerprint is compared with, and what refinement shrinks toward.

A person never counts among the others: means and deviations are those of everybody else's dialogues on the same side.

The beginning of a dialogue does not look like a whole one, nor does its end (people say goodbye there). Where the split keeps the end of
the one training dialogue back, each of the two pieces is therefore seen against the same piece of others' dialogues, and stated on the
scale of whole ones: as many deviations above or below the average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from personaevo import definitions
from personaevo.errors import ReferenceDataError
from personaevo.measure.cells import Standard
from personaevo.records import Floats
from personaevo.refine.behavior import Behavior, DialogueItem, Item
from personaevo.refine.differences import fingerprint
from personaevo.refine.profile import Profile
from personaevo.refine.split import KEPT_BACK, Parts
from personaevo.refine.traces import Background, Known, Text

MIN_DIALOGUES = 20  # of others: with fewer, neither a mean nor a deviation means much
Piece = Literal["whole", "first", "last"]


@dataclass(frozen=True)
class Population:
    """Fingerprints ``[n, d]`` of others' whole dialogues, and of the first and last pieces of those that can be parted."""

    whole: Floats
    first: Floats
    last: Floats

    @property
    def standard(self) -> Standard:
        """The scale of distances."""
        return Standard.of(self.whole)

    @property
    def center(self) -> dict[str, float]:
        """The mean of all as dials, each within its range."""
        return as_dials(self.whole.mean(axis=0))

    def profile(self) -> Profile:
        """The population-mean profile: dials alone, nothing in words."""
        return Profile(dials=self.center)

    def as_whole(self, row: Floats, piece: Piece) -> Floats:
        """The fingerprint [d] of a piece of a dialogue on the scale of whole ones."""
        others: Floats = {"whole": self.whole, "first": self.first, "last": self.last}[piece]
        if piece == "whole" or len(others) < MIN_DIALOGUES:
            return row
        sd = others.std(axis=0)
        above = np.divide(row - others.mean(axis=0), sd, out=np.zeros_like(row), where=sd > 0)
        moved: Floats = self.whole.mean(axis=0) + above * self.whole.std(axis=0)
        return moved


def as_dials(row: Floats) -> dict[str, float]:
    """A fingerprint [d] as dials, each within its range."""
    dials = definitions.dials()
    pairs = zip(definitions.features().names, row, strict=True)
    return {name: float(np.clip(value, dials[name].low, dials[name].high)) for name, value in pairs}


class People:
    """The dialogues of many people, measured once. ``losses`` are what the text of the corpus lost."""

    def __init__(self, behaviors: Iterable[Behavior], losses: Sequence[str] = ()) -> None:
        self._rows: dict[str, list[tuple[str, Floats, Floats | None, Floats | None]]] = {"user": [], "assistant": []}
        self._words: Counter[str] = Counter()  # in how many texts each is
        self._own: dict[str, list[Known]] = {}
        for behavior in behaviors:
            for item in behavior.items:
                keys = Text.of("\n".join(item.texts())).keys
                self._words.update(keys)
                self._own.setdefault(behavior.person, []).append(keys)
                if isinstance(item, DialogueItem):
                    self._add(behavior.person, item, losses)

    def _add(self, person: str, item: DialogueItem, losses: Sequence[str]) -> None:
        said = item.texts()
        back = len(said) // KEPT_BACK
        whole = fingerprint(said, losses)
        first, last = (fingerprint(said[:-back], losses), fingerprint(said[-back:], losses)) if back else (None, None)
        if whole is not None:
            self._rows[item.role].append((person, whole, first, last))

    def others(self, person: str, role: str) -> Population | None:
        """Everybody else on that side; None if there are fewer than 20 dialogues of them."""
        rows = [row for row in self._rows.get(role, []) if row[0] != person]
        if len(rows) < MIN_DIALOGUES:
            return None
        return Population(*(np.array([row[place] for row in rows if row[place] is not None]) for place in (1, 2, 3)))

    def background(self, person: str) -> Background:
        """The words of everybody else, for what many say."""
        own = self._own.get(person, [])
        return Background(sum(map(len, self._own.values())) - len(own), self._words - Counter(key for keys in own for key in keys))


def of_reference(values: Floats) -> Population:
    """The people of a reference, of whose dialogues only whole ones were measured.

    Raises:
        ReferenceDataError: they are too few.
    """
    if len(values) < MIN_DIALOGUES:
        raise ReferenceDataError(f"{len(values)} people are too few to refine against: expected at least {MIN_DIALOGUES} dialogues")
    none = np.empty((0, values.shape[1]))
    return Population(values, none, none)


class Yardstick:
    """Fingerprints of one person's items as they are compared with role-plays.

    With ``whole``, role-plays are whole dialogues, and pieces of dialogues are put on their scale; without, each item is played as it
    stands and compared as it stands.
    """

    def __init__(self, population: Population, parts: Parts, losses: Sequence[str] = (), *, whole: bool) -> None:
        self.population, self.standard = population, population.standard
        self._losses = tuple(losses)
        self._pieces: Mapping[tuple[str, int], Piece] = _pieces(parts) if whole else {}

    def of(self, item: Item) -> Floats | None:
        """The item's fingerprint [d]; None for all but dialogues, and where no word is said."""
        if not isinstance(item, DialogueItem):
            return None
        row = fingerprint(item.texts(), self._losses)
        return None if row is None else self.population.as_whole(row, self._pieces.get((item.id, item.after), "whole"))

    def rows(self, items: Sequence[Item]) -> Floats:
        """Those of all items that have one, ``[m, d]``."""
        found = [row for row in map(self.of, items) if row is not None]
        return np.array(found).reshape(len(found), self.population.whole.shape[1])


def _pieces(parts: Parts) -> dict[tuple[str, int], Piece]:
    """Which items are pieces of one dialogue, by id and first turn."""
    cut = {item.id: item.after for item in parts.dev if isinstance(item, DialogueItem) and item.after}
    first: dict[tuple[str, int], Piece] = {(name, 0): "first" for name in cut}
    return first | dict.fromkeys(cut.items(), "last")

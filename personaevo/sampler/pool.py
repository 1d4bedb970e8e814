"""The personas that can be sampled, and how strategies choose and draw them."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import Any, Literal

import numpy as np
from pydantic import Field

from personaevo import definitions
from personaevo.archive import Member
from personaevo.errors import ConfigError
from personaevo.records import Episode, Floats, Persona
from personaevo.simulate import directions as simulated
from personaevo.text import one_line
from personaevo.where import Where


class SampledPersona(simulated.Persona):
    """A persona and its origin: the archive (its name or path, as given) and its domain, the program that made it, the cell and the task.

    A *stored* persona was played in the search: ``cell`` (number and name) is the cell of its own dialogue, and ``measured`` maps features
    to their values in it. A persona for a new task was made by the elite program of ``cell``, which reaches that cell with some of its
    personas: ``measured`` has the values of a trial dialogue, and is empty if there was none.
    """

    program: str
    cell: int
    cell_name: str = ""
    task: str = ""
    archive: str = ""
    domain: str = ""
    measured: dict[str, float] = Field(default_factory=dict)

    def _own_domain(self) -> str:
        return self.domain or super()._own_domain()


_OWN_NAMES: Mapping[str, type] = {
    "cell": int, "cell_name": str, "task": str, "outcome": str, "p_human": float, "preservation": float,
}  # fmt: skip


def measured(episode: Episode) -> dict[str, float]:
    """An episode's fingerprint by feature; empty if it has none, or one of another feature set than the installed one."""
    names = definitions.features().names
    return dict(zip(names, episode.fingerprint, strict=True)) if len(episode.fingerprint) == len(names) else {}


class Pool:
    """Personas of one archive. ``members[i]`` is number i; ``cell_names`` maps cells to names."""

    def __init__(self, members: Sequence[Member], cell_names: Mapping[int, str]) -> None:
        self.members = members
        self.cell_names = cell_names

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def cells(self) -> Any:
        """The cell of each persona."""
        return np.array([member.episode.cell for member in self.members], dtype=int)

    @cached_property
    def tasks(self) -> Any:
        """The task of each persona."""
        return np.array([member.episode.item.task_id for member in self.members], dtype=object)

    @cached_property
    def alike(self) -> Any:
        """For each persona the number of the first one that differs only in the id: related programs make equal personas."""
        first: dict[object, int] = {}
        numbers = []
        for number, persona in enumerate(map(_persona, self.members)):
            asked = tuple(sorted(persona.behaviors.items())), tuple(sorted(persona.dials.items()))
            numbers.append(first.setdefault((persona.description, persona.policy, asked), number))
        return np.array(numbers, dtype=int)

    @cached_property
    def failed(self) -> Any:
        """Whether the agent failed each persona: the user left without success, or the task was not preserved."""
        episodes = [member.episode for member in self.members]
        return np.array([episode.outcome != "completed" or episode.preservation < 1.0 for episode in episodes], dtype=bool)

    @cached_property
    def human_like(self) -> Any:
        """Whether the judge classifies each as human (P(human) of at least ½)."""
        return np.array([(member.episode.p_human or 0.0) >= 0.5 for member in self.members], dtype=bool)

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """The names that ``where`` may use, with types. The first meaning of a name applies: own names, features, dials, behaviors."""
        axes = {name for member in self.members for name in _persona(member).behaviors if name.isidentifier()}
        named = [*definitions.features().names, *definitions.dials(), *sorted(axes)]
        return {**_OWN_NAMES, **{name: float for name in named if name not in _OWN_NAMES}}

    @cached_property
    def columns(self) -> Mapping[str, Any]:
        """A column of values for each name; missing values are NaN or None."""
        features = definitions.features().names
        shown = [member.episode.fingerprint for member in self.members]
        shown = [values if len(values) == len(features) else (np.nan,) * len(features) for values in shown]
        values = np.array(shown, dtype=float).reshape(len(self), len(features))
        asked = [name for name, kind in self.kinds.items() if kind is not str and name not in features and name not in _OWN_NAMES]
        return {**dict(zip(features, values.T, strict=True)), **{name: self._requested(name) for name in asked}, **self._own()}

    def _requested(self, name: str) -> Floats:
        """The value of a dial or a behavior of each persona."""
        dial = name in definitions.dials()
        found = [(persona.dials if dial else persona.behaviors).get(name, np.nan) for persona in map(_persona, self.members)]
        return np.array(found, dtype=float)

    def _own(self) -> dict[str, Any]:
        episodes = [member.episode for member in self.members]
        done = [episode.state == "completed" for episode in episodes]
        return {
            "cell": self.cells.astype(float),
            "cell_name": np.array([self.cell_names.get(int(cell)) for cell in self.cells], dtype=object),
            "task": self.tasks,
            "outcome": np.array([episode.outcome or None for episode in episodes], dtype=object),
            "p_human": np.array([np.nan if episode.p_human is None else episode.p_human for episode in episodes], dtype=float),
            "preservation": np.where(done, [episode.preservation for episode in episodes], np.nan),
        }

    def matching(self, where: Where) -> Any:
        """Which personas fulfil a condition for certain."""
        return where.mask(self.columns, len(self))

    def no_match(self, where: Where, considered: Any) -> ConfigError:
        """The error for a condition that none of the personas ``considered`` fulfils; it names the parts that none fulfils."""
        count = int(considered.sum())
        columns = {name: values[considered] for name, values in self.columns.items()}
        parts = where.parts(columns, count)
        never = [f"'{one_line(text)}'" for text, matches in parts if not matches]
        alone = ", ".join(f"'{one_line(text)}' {matches:,}" for text, matches in parts)
        why = f"{' and '.join(never)} matches none of them" if never else f"each part matches some ({alone}), but none matches all"
        return ConfigError(f"where: no persona of {count:,} matches; {why}: ask for less")


def _persona(member: Member) -> Persona:
    persona = member.episode.persona
    assert persona is not None  # a population has no other members
    return persona


_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0

PersonaGroups = Mapping[int, Sequence[Sequence[int]]]  # cell → groups of persona numbers; a group is used up before the next one


def seeded_rng(*parts: object) -> random.Random:
    """A random generator seeded by the parts, the same in every process."""
    return random.Random("\x1f".join(map(str, parts)))


def points(seed: str) -> Iterator[float]:
    """The golden-ratio sequence in [0, 1) from a seeded start: any few consecutive points are evenly spread."""
    start = seeded_rng(seed, "cells").random()
    index = 0
    while True:
        yield (start + index * _GOLDEN) % 1.0
        index += 1


class CellDistribution:
    """The categorical distribution of cells by weight (uniform if all weights are zero)."""

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._cells = sorted(weights)
        widths = [weights[cell] for cell in self._cells]
        self._ends = list(accumulate(widths if sum(widths) > 0 else [1.0] * len(widths)))

    def at(self, point: float) -> int:
        """The cell at ``point`` in [0, 1) of the cumulative distribution."""
        return self._cells[min(bisect_right(self._ends, point * self._ends[-1]), len(self._cells) - 1)]


def shuffled(items: Sequence[int], rng: random.Random) -> Iterator[int]:
    """Yield the items in random order (Fisher–Yates shuffle)."""
    moved: dict[int, int] = {}
    for place in range(len(items)):
        taken = rng.randrange(place, len(items))
        yield int(items[moved.get(taken, taken)])
        moved[taken] = moved.pop(place, place)


def draw_personas(groups: PersonaGroups, weights: Mapping[int, float], seed: str) -> Iterator[int]:
    """Endless persona numbers. A cell whose personas were all drawn is left out until those of all cells were; then all are drawn again."""
    at = points(seed)
    sizes = {cell: sum(map(len, parts)) for cell, parts in groups.items()}
    turn = 0
    while True:
        left = dict(sizes)
        order = {
            cell: chain.from_iterable([shuffled(part, seeded_rng(seed, cell, turn, number)) for number, part in enumerate(parts)])
            for cell, parts in groups.items()
        }
        cells = CellDistribution({cell: weights[cell] for cell in left})
        while left:
            cell = cells.at(next(at))
            yield next(order[cell])
            left[cell] -= 1
            if not left[cell]:
                del left[cell]
                cells = CellDistribution({cell: weights[cell] for cell in left}) if left else cells
        turn += 1


Strategy = Literal["human", "uniform", "hard"]
_PRIOR = 2.0  # pseudo-episodes with the overall failure rate, added to those of each cell


@dataclass(frozen=True, slots=True)
class Selection:
    """The personas that may be drawn, by cell, and the weight of each cell."""

    groups: PersonaGroups
    weights: Mapping[int, float]


def choose(pool: Pool, selected: Any, strategy: Strategy, masses: Mapping[int, float]) -> Selection:
    """Choose among the personas ``selected`` (a boolean for each); of equal personas the first is used.

    Raises:
        ConfigError: the strategy is "hard", and none of them is classified as human.
    """
    if strategy == "hard" and not (selected & pool.human_like).any():
        raise ConfigError(f"strategy hard: none of the {int(selected.sum()):,} personas is classified as human (p_human >= 0.5)")
    if strategy == "hard":
        selected = selected & pool.human_like
    numbers = np.unique(pool.alike[selected], return_index=True)[1]
    kept = np.flatnonzero(selected)[np.sort(numbers)]
    cells = pool.cells[kept]
    groups = {int(cell): _groups(pool, kept[cells == cell], strategy) for cell in np.unique(cells)}
    return Selection(groups, weigh(pool, selected, strategy, masses))


def weigh(pool: Pool, selected: Any, strategy: Strategy, masses: Mapping[int, float]) -> dict[int, float]:
    """The weight of each cell that contains one of the personas ``selected``.

    "human": the share of people in the cell. "uniform": 1. "hard": the share of the selected personas there that the agent failed, shrunk
    towards the overall share s as (failed + 2 s) / (all + 2), with s = (failed + 1) / (all + 2) over all cells.
    """
    cells = [int(cell) for cell in np.unique(pool.cells[selected])]
    if strategy == "human":
        return {cell: masses.get(cell, 0.0) for cell in cells}
    if strategy == "uniform":
        return dict.fromkeys(cells, 1.0)
    failed = pool.failed & selected
    overall = (failed.sum() + 1.0) / (selected.sum() + 2.0)
    there = {cell: pool.cells == cell for cell in cells}
    return {
        cell: float((failed[there[cell]].sum() + _PRIOR * overall) / (selected[there[cell]].sum() + _PRIOR)) for cell in cells
    }


def _groups(pool: Pool, numbers: Any, strategy: Strategy) -> tuple[Any, ...]:
    """One group, which is shuffled as a whole; for "hard" a first group of those that the agent failed."""
    if strategy != "hard":
        return (numbers,)
    failed = pool.failed[numbers]
    return numbers[failed], numbers[~failed]

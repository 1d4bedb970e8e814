"""What a strategy draws: which stored personas, in which order within a cell, and how wide each cell is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from personaevo.errors import ConfigError
from personaevo.sampler.draw import Decks
from personaevo.sampler.pool import Pool

Strategy = Literal["human", "uniform", "hard"]
_PRIOR = 2.0  # episodes with the failure share of all, added to those of each cell


@dataclass(frozen=True, slots=True)
class Choice:
    """The personas that may be drawn, by cell, and the weight of each cell."""

    decks: Decks
    weights: Mapping[int, float]


def choose(pool: Pool, selected: Any, strategy: Strategy, masses: Mapping[int, float]) -> Choice:
    """The choice among the personas ``selected`` (a boolean for each); of those that are the same, the first one.

    Raises:
        ConfigError: the strategy is "hard", and none of them is taken for a person.
    """
    if strategy == "hard":
        selected = _human_like(pool, selected)
    numbers = np.unique(pool.alike[selected], return_index=True)[1]
    kept = np.flatnonzero(selected)[np.sort(numbers)]
    cells = pool.cells[kept]
    decks = {int(cell): _groups(pool, kept[cells == cell], strategy) for cell in np.unique(cells)}
    return Choice(decks, weigh(pool, selected, strategy, masses))


def weigh(pool: Pool, selected: Any, strategy: Strategy, masses: Mapping[int, float]) -> dict[int, float]:
    """The weight of each cell in which one of the personas ``selected`` lies.

    "human" is people's share of the cell, "uniform" is 1, "hard" the share of the selected personas there that the agent failed,
    (failed + 2 s) / (all + 2) with s the share over all cells, (failed + 1) / (all + 2): one episode alone says little.
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


def _human_like(pool: Pool, selected: Any) -> Any:
    kept = selected & pool.human_like
    if not kept.any():
        raise ConfigError(f"strategy hard: none of the {int(selected.sum()):,} personas is taken for a person (p_human >= 0.5)")
    return kept


def _groups(pool: Pool, numbers: Any, strategy: Strategy) -> tuple[Any, ...]:
    """One group, shuffled as a whole; for "hard" those that the agent failed come first."""
    if strategy != "hard":
        return (numbers,)
    failed = pool.failed[numbers]
    return numbers[failed], numbers[~failed]

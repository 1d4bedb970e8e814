"""Sampling strategies: the stored personas that may be drawn, their order within a cell, and the weight of each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from personaevo.errors import ConfigError
from personaevo.sampler.draw import PersonaGroups
from personaevo.sampler.pool import Pool

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

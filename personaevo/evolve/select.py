"""Who becomes a parent: half by NSGA-II on the objectives (DEAP), half by the cells they own."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deap import base, tools

from personaevo.records import Evaluation

OBJECTIVES = ("human_likeness", "coverage")
POOL = 8
_OWNING = 2  # exponent of the mass owned: who owns several cells is a parent more often than one that owns a large one


@dataclass(frozen=True)
class Scored:
    """A program that may become a parent, with its evaluation."""

    program_id: str
    evaluation: Evaluation

    @property
    def score(self) -> float:
        """Overall score, 0..1."""
        return self.evaluation.objectives["score"].value


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights = (1.0,) * len(OBJECTIVES)


class _Individual:
    """What DEAP ranks; it would rank NaN somewhere without a word, so that none is let through."""

    def __init__(self, scored: Scored) -> None:
        values = [scored.evaluation.objectives[name].value for name in OBJECTIVES]
        if not all(map(math.isfinite, values)):
            raise ValueError(f"objectives of program {scored.program_id} must be finite, got {values}")
        self.scored = scored
        self.fitness = _Fitness(values)


def elites(population: Sequence[Scored]) -> dict[int, Scored]:
    """Per cell the program with the best lower confidence bound there (the earlier one on ties)."""
    best: dict[int, tuple[float, Scored]] = {}
    for scored in population:
        for cell in scored.evaluation.cells:
            if cell.score > 0 and (cell.cell not in best or cell.low > best[cell.cell][0]):
                best[cell.cell] = (cell.low, scored)
    return {cell: scored for cell, (_, scored) in sorted(best.items())}


def lower_bound(scored: Scored) -> float:
    """The overall score less one standard error: what programs are compared by."""
    return scored.score - scored.evaluation.objectives["score"].se


def best_of(population: Sequence[Scored]) -> Scored:
    """The best program overall by the lower bound of its score; the earlier one on ties."""
    return max(population, key=lower_bound)


def nsga2(population: Sequence[Scored], rng: random.Random, pool: int = POOL) -> Scored:
    """Binary tournament by rank and crowding distance among the ``pool`` programs that NSGA-II keeps (Deb et al. 2002)."""
    with _seeded(rng):
        kept = tools.selNSGA2([_Individual(scored) for scored in population], min(pool, len(population)))
        picked: list[Any] = tools.selTournamentDCD(kept, 4)[:1] if len(kept) >= 4 and len(kept) % 4 == 0 else [random.choice(kept)]
    chosen: Scored = picked[0].scored
    return chosen


def owner(population: Sequence[Scored], masses: Mapping[int, float], rng: random.Random) -> Scored:
    """An elite, drawn by the share of people in the cells it owns, squared."""
    owned: dict[str, float] = {}
    by_id: dict[str, Scored] = {}
    for cell, scored in elites(population).items():
        owned[scored.program_id] = owned.get(scored.program_id, 0.0) + masses.get(cell, 0.0)
        by_id[scored.program_id] = scored
    if not owned:
        return rng.choice(population)
    return by_id[rng.choices(list(owned), [mass**_OWNING for mass in owned.values()])[0]]


@contextmanager
def _seeded(rng: random.Random) -> Iterator[None]:
    """DEAP draws from the global ``random``: seed it from our generator for the call and put its state back."""
    state = random.getstate()
    random.seed(rng.getrandbits(64))
    try:
        yield
    finally:
        random.setstate(state)

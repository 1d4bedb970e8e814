"""Control populations and negative programs, and the training of the judges against them.

Each is a list of dials, one per persona, made from people's fingerprints, which programs never see. A control is either a bound on what
the engine can reach, or a strategy that the score must not reward.

A fingerprint describes one dialogue: the person plus the variation of that dialogue. A persona describes a person, and the engine adds the
variation itself. Copied people are therefore made by ``persons``, which shrinks rows toward the mean until only the variance between
persons is left. Unshrunken rows would have two to three times too much consistency and too much spread. Independent marginals and
caricatures use unshrunken rows: after shrinkage, independent marginals are worse negatives (AUC of the judge against all negatives .82
instead of .84 in charity, .76 instead of .80 in camping).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from personaevo import definitions, reference
from personaevo.evolve.plan import Plan
from personaevo.measure.agreement import assumed
from personaevo.records import Floats, Persona
from personaevo.simulate.seeds import seed_of

_CARICATURE = 2.0  # factor of a caricature's deviations from the mean
Made = Callable[[Floats, int, np.random.Generator], Floats]


def average_person(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """n copies of one persona with the means of people."""
    found: Floats = np.repeat(people.mean(axis=0)[None], n, axis=0)
    return found


def copied_people(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Copies of people, each once before any is repeated: shows how well the engine plays given dials."""
    found: Floats = people[_drawn(len(people), n, rng)]
    return found


def independent(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Each column drawn from people independently of the others: their marginals without their correlations."""
    return np.column_stack([column[_drawn(len(people), n, rng)] for column in people.T])


def caricatures(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """People with their deviations from the mean doubled."""
    mean = people.mean(axis=0)
    found: Floats = mean + _CARICATURE * (people[_drawn(len(people), n, rng)] - mean)
    return found


CONTROLS: Mapping[str, Made] = {
    "average_person": average_person, "copied_people": copied_people, "independent": independent, "caricatures": caricatures,
}  # fmt: skip
ROWS = ("average_person", "copied_people", "independent")  # rows of final tables
NEGATIVES = ("average_person", "caricatures", "independent")  # of the judge, with the persona-free simulator and the negative programs
OF_PERSONS = ("copied_people",)  # made from shrunken rows (see ``persons``)


def rows(*, models: bool) -> tuple[str, ...]:
    """The controls that are rows of a final table. If dialogues cost calls, only the average person, which a program must beat."""
    return ROWS[:1] if models else ROWS


def personas(name: str, people: Floats, plan: Plan, agreement: float | None = None) -> dict[tuple[str, int], Persona]:
    """The personas of a control for every (task, slot) of a plan, from ``people[n, d]``; equal arguments give equal personas.

    ``agreement`` is the agreement of two dialogues of one person; by default the value of other corpora is assumed.
    """
    slots = plan.slots
    rng = np.random.default_rng(seed_of(plan.seed, plan.purpose, name, "control"))
    if name in OF_PERSONS:
        people = persons(people, assumed(reference.installed_ratios()).value if agreement is None else agreement)
    rows = CONTROLS[name](people, len(slots), rng)
    spoken = name.replace("_", " ")
    return {
        place: Persona(id=f"{name}-{index}", description=f"{spoken}, number {index + 1}", dials=dials_of(row))
        for index, (place, row) in enumerate(zip(slots, rows, strict=True))
    }


def persons(people: Floats, agreement: float) -> Floats:
    """Estimates of persons from single dialogues ``people[n, d]``: every row is shrunk toward the mean by ``sqrt(agreement)``.

    Agreement, an intraclass correlation, is the share of the variance between persons, and exactly this share is left. (Posterior means
    would leave its square and too few extreme persons: Louis 1984, Ghosh 1992.) Features with a log dial are shrunk on the log scale;
    every column keeps its mean.
    """
    known, factor = definitions.dials(), float(np.sqrt(max(agreement, 0.0)))
    columns = []
    for name, column in zip(definitions.features().names, people.T, strict=True):
        log = known[name].scale == "log"
        scaled = np.log(np.maximum(column, known[name].low)) if log else column
        drawn = scaled.mean() + factor * (scaled - scaled.mean())
        columns.append(np.exp(drawn) * column.mean() / np.exp(drawn).mean() if log else drawn)
    return np.column_stack(columns)


def dials_of(row: Floats) -> dict[str, float]:
    """Convert a fingerprint to dials, clipped to their ranges."""
    known, names = definitions.dials(), definitions.features().names
    return {name: float(np.clip(value, known[name].low, known[name].high)) for name, value in zip(names, row, strict=True)}


def _drawn(size: int, n: int, rng: np.random.Generator) -> Any:
    """Draw n of ``size`` rows, each once before any is repeated."""
    return np.concatenate([rng.permutation(size) for _ in range(-(-n // size))])[:n]

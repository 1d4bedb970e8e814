"""Controls: made-up populations that a score must be held against, and what the judge is trained against.

Each is a list of dials, one a persona. They are made from people's fingerprints, which programs never see: a reference for what an engine
can reach, or a trick that a score must not reward.

A fingerprint is of one dialogue: the person, and what that dialogue had of its own (mood, chance). A persona is a person, and the engine
adds mood and chance itself. So copied people are made of ``persons``: rows drawn toward the mean until as much of their variance is left
as lies between persons. Rows as they are would agree with themselves two to three times too much, and differ too much from one another.
Independent marginals and caricatures are of rows as they are: of persons, independent marginals are worse negatives (the judge tells
people from all of its negatives with an AUC of .82 in place of .84 in charity, .76 in place of .80 in camping).
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

_CARICATURE = 2.0  # how far a caricature's deviations from the mean are blown up
Made = Callable[[Floats, int, np.random.Generator], Floats]


def average_person(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """One persona with the means of people, n times."""
    found: Floats = np.repeat(people.mean(axis=0)[None], n, axis=0)
    return found


def copied_people(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    """People, each once before anybody comes twice: how well the engine plays what it is told."""
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
ROWS = ("average_person", "copied_people", "independent")  # of final tables
NEGATIVES = ("average_person", "caricatures", "independent")  # of the judge, beside the persona-free simulator and the negative programs


OF_PERSONS = ("copied_people",)  # made of persons, not of rows as they are


def rows(*, models: bool) -> tuple[str, ...]:
    """The controls that are rows of a final table; where dialogues cost calls only what a program must beat: one average person."""
    return ROWS[:1] if models else ROWS


def personas(name: str, people: Floats, plan: Plan, agreement: float | None = None) -> dict[tuple[str, int], Persona]:
    """The personas of a control for every (task, slot) of a plan, from ``people[n, d]``; equal arguments give equal ones.

    ``agreement`` is how much two dialogues of one of these people agree; where it is not told, what other corpora show is assumed.
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
    """Persons as single dialogues ``people[n, d]`` tell of them: every row drawn toward the mean by ``sqrt(agreement)``.

    Agreement, an intraclass correlation, is the share of the variance that lies between persons, and this leaves just that share. (The
    best guess of each person alone, the posterior mean, leaves its square and so too few extreme persons: Louis 1984, Ghosh 1992.)
    Quantities whose dial moves by factors are drawn on the scale of their logarithm; every column keeps its mean.
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
    """A fingerprint as dials, each inside its range."""
    known, names = definitions.dials(), definitions.features().names
    return {name: float(np.clip(value, known[name].low, known[name].high)) for name, value in zip(names, row, strict=True)}


def _drawn(size: int, n: int, rng: np.random.Generator) -> Any:
    """n of ``size`` rows, each once before any comes twice."""
    return np.concatenate([rng.permutation(size) for _ in range(-(-n // size))])[:n]

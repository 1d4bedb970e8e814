"""What the tests of the judge share: people of six behaviors that go together, populations that are off in one way each, and a scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from personaevo.judge.discriminator import Negatives, train
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import People, TableSetting
from personaevo.measure.agreement import Agreement
from personaevo.measure.cells import tessellate
from personaevo.measure.energy import Space
from personaevo.records import Episode, Evaluation, Floats, PlanItem

NAMES = ("one", "two", "three", "four", "five", "six")
CONSISTENCY = 0.4  # of people
CALLS, PERSONAS = 6, 30
_TURN = np.linalg.cholesky(0.4 + 0.6 * np.eye(len(NAMES))).T  # behaviors go together by .4


def pairs(n: int, seed: int, *, consistency: float = CONSISTENCY, scale: float = 1.0, shift: float = 0.0) -> Floats:
    """Two dialogues of each of n people, ``[n, 2, 6]``."""
    rng = np.random.default_rng(seed)
    person, mood = rng.normal(size=(n, 1, len(NAMES))) @ _TURN, rng.normal(size=(n, 2, len(NAMES))) @ _TURN
    return np.asarray(scale * (consistency**0.5 * person + (1 - consistency) ** 0.5 * mood) + shift)


def independent(n: int, seed: int) -> Floats:
    """Everybody's behaviors are each somebody else's: the same marginals, nothing goes together."""
    rng = np.random.default_rng(seed)
    people = pairs(n, seed)
    return np.stack([people[rng.permutation(n), :, column] for column in range(len(NAMES))], axis=-1)


POPULATIONS: Mapping[str, Callable[[int], Floats]] = {
    "people": lambda seed: pairs(PERSONAS, seed),
    "one persona": lambda seed: np.zeros((PERSONAS, 2, len(NAMES))),
    "narrow": lambda seed: pairs(PERSONAS, seed, scale=0.3),
    "caricatures": lambda seed: pairs(PERSONAS, seed, scale=2.0),
    "recordings": lambda seed: np.repeat(pairs(PERSONAS, seed)[:, :1], 2, axis=1),
    "too consistent": lambda seed: pairs(PERSONAS, seed, consistency=0.9),
    "fresh each time": lambda seed: pairs(PERSONAS, seed, consistency=0.0),
    "off": lambda seed: pairs(PERSONAS, seed, shift=1.0),
    "off the other way": lambda seed: pairs(PERSONAS, seed, shift=-1.0),
}


def people_of(n: int, seed: int) -> People:
    """n persons with two dialogues each."""
    return People(pairs(n, seed).reshape(-1, len(NAMES)), tuple(f"person {index // 2}" for index in range(2 * n)))


@cache
def negatives() -> Mapping[str, Negatives]:
    """The simulator without personas, the average person, caricatures."""
    rng = np.random.default_rng(2)
    values = {
        "persona_free": rng.normal(size=(120, len(NAMES))) * 0.3 - 1.0,
        "average_person": rng.normal(size=(120, len(NAMES))) * 0.3,
        "caricatures": pairs(60, 3, scale=2.0).reshape(-1, len(NAMES)),
    }
    return {kind: Negatives(rows, tuple(f"task {index % 20}" for index in range(len(rows)))) for kind, rows in values.items()}


@cache
def scorer(*, others: bool = True, agreement: bool = True) -> Scorer:
    """A scorer by 120 people; ``others`` set what people get."""
    people = people_of(120, 1)
    space = Space.of(people.values)
    return Scorer(
        split="train", judge=train(people.values, people.persons, negatives(), 1), cells=tessellate(people.values, 4, 0),
        space=space, people=people.values, free=negatives()["persona_free"].values, others=people_of(100, 9).values if others else None,
        agreement=Agreement(value=CONSISTENCY, se=0.03, low=0.34, high=0.46, kind="retest", people=120) if agreement else None, names=NAMES,
    )  # fmt: skip


@cache
def setting() -> TableSetting:
    """The setting of a final table."""
    return TableSetting(scorer(), people_of(120, 1), people_of(100, 9), people_of(100, 10), negatives(), 4)


def episodes(values: Floats, calls: int = CALLS) -> list[Episode]:
    """Completed dialogues of personas ``[p, 2, 6]``, dealt to ``calls`` tasks in turn."""
    return [
        Episode(
            PlanItem(f"task {persona % calls}", persona // calls, 2 * persona + repeat), "completed",
            fingerprint=tuple(map(float, values[persona, repeat])), preservation=1.0,
        )
        for persona in range(len(values)) for repeat in range(2)
    ]  # fmt: skip


def failed(episode: Episode) -> Episode:
    return replace(episode, state="failed", fingerprint=(), preservation=0.0, reason="it raised ValueError", fault="program")


def failing(played: Sequence[Episode], rows: set[int]) -> list[Episode]:
    return [failed(one) if index in rows else one for index, one in enumerate(played)]


def evaluated(played: Sequence[Episode], by: Scorer | None = None) -> Evaluation:
    return (by or scorer()).score("program", played)[0]


def shares(values: Floats, by: Scorer | None = None, calls: int = CALLS) -> dict[str, float]:
    """Every objective of a population."""
    return {name: one.value for name, one in evaluated(episodes(values, calls), by).objectives.items()}

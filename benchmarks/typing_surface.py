"""Does each typing dial move its own habit only? ``python -m benchmarks.typing_surface [--data FOLDER] [--dialogues 120]``.

For each domain: dialogues of embedded users, half of them persona-free, typed with the dials at people's means and one of them swept over
0.1 … 0.9. ``slope`` is that of the habit shown on the dial; ``others`` the steepest slope of any other habit on it (shares; letters for the
length of words), of those that at least ten dialogues show. Then, for domains whose people's text kept case and punctuation: each habit of
typed dialogues with all dials at people's means, people's mean, the interval of a random half of people, and whether it contains the habit.
With ``--data`` (the folder with the corpora, see fitness/references/README.md) people's habits are measured from text, else they are
those of the installed references.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from personaevo import definitions, readers, reference
from personaevo.definitions import domain_names, typing, typing_dials
from personaevo.records import Floats, Persona, PlanItem, Task
from personaevo.simulate.episodes import VALUES_FIRST, run_episode
from personaevo.simulate.turns import seed_of
from personaevo.simulate.typist import SWING, Typist, protected_by

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
FIXED = 0.5  # for habits that people's text does not show
_DRAWS = 400
_LEAST = 10  # dialogues, for a mean
_SEEDS = 5


@cache
def worded(domain: str, dialogues: int, free: int) -> tuple[tuple[Task, tuple[str, ...]], ...]:
    """Texts of embedded users of the domain before typing, with their tasks.

    One of ``free`` users is persona-free (0: none); the others are at people's means of the other dials.
    """
    tasks = list(readers.read_tasks(definitions.domain_files(domain).tasks))
    people = reference.packaged(domain)
    known, means = definitions.dials(), zip(people.names, people.values.mean(axis=0).tolist(), strict=True)
    dials = {name: min(max(value, known[name].low), known[name].high) for name, value in means}
    found = []
    for number in range(dialogues):
        task = tasks[number % len(tasks)]
        persona = None if free and number % free == 0 else Persona(id="p", description="", dials=dials)
        episode = run_episode(task, persona, PlanItem(task.id, 0, seed_of("typing", number)), definitions.domain(domain))
        found.append((task, tuple(text for role, text in episode.turns if role == "user")))
    return tuple(found)


def shown(domain: str, dialogues: int, dials: Mapping[str, float], free: int = 0, seeds: int = 1) -> Floats:
    """The habits of the dialogues, each typed with several seeds, ``[n, k]``."""
    typed, first = [], VALUES_FIRST[definitions.domain(domain).opens]
    for number, (task, texts) in enumerate(worded(domain, dialogues, free)):
        for seed in range(seeds):
            typist = Typist(dials, seed_of("typist", number, seed), protected_by(task), values_first=first)
            typed.append([typist.type(text, turn) for turn, text in enumerate(texts)])
    return typing().measure(typed).values


def slopes(domain: str, dialogues: int, middle: Mapping[str, float], habit: str) -> Floats:
    """Slopes of every habit on the levels of one dial, ``[k]``; NaN without an occasion."""
    means = np.array([mean_of(shown(domain, dialogues, {**middle, habit: level}, 2)) for level in LEVELS])
    away = np.array(LEVELS) - np.mean(LEVELS)
    return np.asarray(away @ (means - means.mean(axis=0)) / (away @ away))


def mean_of(values: Floats) -> Floats:
    """Mean of each column over the dialogues that have the habit; NaN if too few have."""
    counts = (~np.isnan(values)).sum(axis=0)
    found = np.full(values.shape[1], np.nan)
    np.divide(np.nansum(values, axis=0), counts, out=found, where=counts >= _LEAST)
    return found


def people_of(domain: str, data: str | None) -> tuple[Floats, tuple[str, ...]] | None:
    """People's habits, ``[n, k]``, and the losses of their text."""
    if data is None:
        found = reference.packaged(domain)
        if found.typing is None:
            return None
        every = np.full((len(found), len(typing().names)), np.nan)
        every[:, [typing().names.index(name) for name in found.typing_names]] = found.typing
        return every, found.losses
    from benchmarks.build_references import SOURCES  # noqa: PLC0415

    source = next(one for one in SOURCES if one.name == domain)
    texts = [one.user_texts() for one in readers.read_dialogues(f"{data}/{source.file}")]
    return typing().measure(texts).values, reference.packaged(domain).losses


def interval(values: Floats) -> tuple[Floats, Floats]:
    """95 % interval of the mean of a random half of people."""
    rng = np.random.default_rng(0)
    means = [mean_of(values[rng.permutation(len(values))[: len(values) // 2]]) for _ in range(_DRAWS)]
    low, high = np.nanquantile(means, [0.025, 0.975], axis=0)
    return low, high


def middle_of(people: tuple[Floats, tuple[str, ...]] | None) -> dict[str, float]:
    """The dials at people's means; ``FIXED`` for habits that their text does not show."""
    found = {name: FIXED for name in typing_dials() if name != SWING}
    if people is not None:
        usable = typing().usable(people[1])
        means = dict(zip(typing().names, mean_of(people[0]).tolist(), strict=True))
        found |= {name: means[name] for name in found if name in usable and not np.isnan(means[name])}
    return found


def sweep(domain: str, dialogues: int, middle: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row for each dial."""
    rows, names = [], list(typing().names)
    for habit in middle:
        found = slopes(domain, dialogues, middle, habit)
        others = [(abs(slope), name) for name, slope in zip(names, found.tolist(), strict=True) if name != habit and not np.isnan(slope)]
        steepest, which = max(others)
        rows.append({"domain": domain, "dial": habit, "slope": float(found[names.index(habit)]), "others": steepest, "which": which})
    return rows


def compared(domain: str, dialogues: int, people: tuple[Floats, tuple[str, ...]], middle: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row for each habit that people's text shows and a dial sets."""
    low, high = interval(people[0])
    ours, theirs = mean_of(shown(domain, dialogues, middle, seeds=_SEEDS)), mean_of(people[0])
    rows = []
    for name in typing().usable(people[1]):
        at = typing().names.index(name)
        if name in middle:
            numbers = {"typed": ours[at], "people": theirs[at], "low": low[at], "high": high[at]}
            rows.append({"domain": domain, "habit": name, **{key: float(value) for key, value in numbers.items()}})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 1 if a slope is below .8."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with the corpora")
    parser.add_argument("--dialogues", type=int, default=120)
    parser.add_argument("--domain", action="append", choices=domain_names(), help="only these domains")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    swept, beside = [], []
    for domain in options.domain or domain_names():
        people = people_of(domain, options.data)
        middle = middle_of(people)
        swept += sweep(domain, options.dialogues, middle)
        if people is not None and not people[1]:
            beside += compared(domain, 3 * options.dialogues, people, middle)
    if options.json:
        print(json.dumps({"slopes": swept, "means": beside}))
    else:
        _print(swept, beside)
    return int(any(row["slope"] < 0.8 for row in swept))  # NaN: no occasion in this domain


def _print(swept: Sequence[Mapping[str, Any]], beside: Sequence[Mapping[str, Any]]) -> None:
    for row in swept:
        print(f"{row['domain']:9}{row['dial']:19} slope {row['slope']:5.2f}   others {row['others']:5.2f} ({row['which']})")
    worst = max(swept, key=lambda row: row["others"])
    print(f"worst: {worst['domain']} {worst['dial']} moves {worst['which']} by {worst['others']:.2f}")
    for row in beside:
        inside = "within" if row["low"] <= row["typed"] <= row["high"] else f"off by {row['typed'] - row['people']:+.3f}"
        people = f"{row['people']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        print(f"{row['domain']:9}{row['habit']:19} typed {row['typed']:.3f}   people {people}   {inside}")


if __name__ == "__main__":
    sys.exit(main())

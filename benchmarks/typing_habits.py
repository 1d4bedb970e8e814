"""How well typing habits identify a person: ``python -m benchmarks.typing_habits --data FOLDER [--draws 5] [--json]``.

FOLDER has the corpora (see fitness/references/README.md). For each corpus with people who have several dialogues: the intraclass
correlation of each habit (one-way, over people with two or more values), its mean over dialogues, and the share of dialogues with an
occasion for it. Then re-identification: a person's mean over k dialogues against one held-out dialogue of everyone; the share of other
people whose held-out dialogue is farther than one's own, with a 95 % interval over people. The distance is the root mean square over the
columns that both have, on rank-normal scores, weighted by intraclass correlations; scores and correlations come from other people (four
folds). Reported for the habits, for the features of the fingerprint, and for both together.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from personaevo.definitions import features, typing
from personaevo.measure.agreement import retest
from personaevo.measure.stats import student_factor
from personaevo.readers import read_dialogues
from personaevo.records import Floats

FOLDS = 4
ITEMS = (1, 3, 5)
LEAST_TURNS = 4  # of the person, in a corpus that is read in full


@dataclass(frozen=True)
class Corpus:
    """Dialogues of people: ``values[n, d]`` by feature set, and the person of each dialogue."""

    name: str
    values: dict[str, Floats]
    people: Sequence[str]


def read(data: Path) -> list[Corpus]:
    """The corpora in which many people have several dialogues: one in full, and two by an index of people."""
    whole = [(one.user_id, one.user_texts()) for one in read_dialogues(data / "irc_support_human.jsonl.gz")]
    kept = [(who, texts) for who, texts in whole if who and len(texts) >= LEAST_TURNS]
    found = [_measured("irc_support_human", [texts for _, texts in kept], [who for who, _ in kept])]
    for index, file in (("irc_people", "irc_support_human"), ("p4g_people", "p4g_human")):
        dialogues = {one.id: one for one in read_dialogues(data / f"{file}.jsonl.gz")}
        items = [(who, *item) for who, given in json.loads((data / f"{index}.json").read_text("utf-8")).items() for item in given]
        texts = [[turn.content for turn in dialogues[number].turns if turn.role == role] for _, number, role in items]
        found.append(_measured(index, texts, [who for who, *_ in items]))
    return found


def _measured(name: str, texts: Sequence[Sequence[str]], people: Sequence[str]) -> Corpus:
    spoken = [at for at, turns in enumerate(texts) if any(any(map(str.isalnum, turn)) for turn in turns)]
    texts, people = [texts[at] for at in spoken], [people[at] for at in spoken]
    habits, behaviors = typing().measure(texts).values, features().measure(texts).values
    return Corpus(name, {"habits": habits, "fingerprint": behaviors, "both": np.hstack([habits, behaviors])}, people)


def correlation(column: Floats, people: Sequence[str]) -> float:
    """The intraclass correlation of one column, over people with two or more values."""
    known = ~np.isnan(column)
    return retest(column[known, None], [who for who, has in zip(people, known, strict=True) if has]).mean


def scores(people: Floats, values: Floats) -> Floats:
    """``values[n, d]`` as normal scores of their place among ``people[m, d]`` (mid-ranks), each column standardized; NaN stays."""
    found = np.full(values.shape, np.nan)
    for at, (known, column) in enumerate(zip(people.T, values.T, strict=True)):
        order = np.sort(known[~np.isnan(known)])
        if len(order) and order[0] < order[-1]:
            own = _placed(order, order)
            found[:, at] = np.where(np.isnan(column), np.nan, (_placed(order, column) - own.mean()) / own.std())
    return found


def _placed(order: Floats, column: Floats) -> Floats:
    ranks = (np.searchsorted(order, column, "left") + np.searchsorted(order, column, "right") + 1) / 2
    return np.asarray(ndtri(np.clip(ranks / (len(order) + 1), 1e-3, 1 - 1e-3)))


def nearer_to_self(values: Floats, people: Sequence[str], items: int, seed: int) -> dict[str, float]:
    """For each person with more than ``items`` dialogues, the share of others (of the same fold) whose held-out dialogue is farther."""
    rng, names = np.random.default_rng(seed), sorted(set(people))
    fold = dict(zip(names, (rng.permutation(len(names)) % FOLDS).tolist(), strict=True))
    owner = np.array(people)
    of_fold = np.array([fold[who] for who in people])
    found: dict[str, float] = {}
    for number in range(FOLDS):
        others = of_fold != number
        placed = scores(values[others], values)
        weights = np.array([max(correlation(column, owner[others].tolist()), 0.0) for column in placed[others].T])
        rows = {who: rng.permutation(np.flatnonzero(owner == who)) for who in names if fold[who] == number}
        rows = {who: drawn for who, drawn in rows.items() if len(drawn) > items}
        profiles = np.array([_mean(placed[drawn[:items]]) for drawn in rows.values()])
        held = np.array([placed[drawn[items]] for drawn in rows.values()])
        found |= zip(rows, _shares(_distances(profiles, held, weights)).tolist(), strict=True)
    return found


def _mean(rows: Floats) -> Floats:
    counts = (~np.isnan(rows)).sum(axis=0)
    return np.where(counts, np.nansum(rows, axis=0) / np.maximum(counts, 1), np.nan)


def _distances(profiles: Floats, held: Floats, weights: Floats) -> Floats:
    gaps = (profiles[:, None] - held[None]) ** 2
    counted = np.where(np.isnan(gaps), 0.0, weights)
    found: Floats = np.nansum(gaps * weights, axis=2) / np.maximum(counted.sum(axis=2), 1e-9)
    return found


def _shares(distances: Floats) -> Floats:
    own = np.diag(distances)[:, None]
    wins = (distances > own).sum(axis=1) + 0.5 * ((distances == own).sum(axis=1) - 1)
    found: Floats = wins / (len(distances) - 1)
    return found


def told_apart(corpus: Corpus, columns: str, items: int, draws: int) -> tuple[float, float, float, int] | None:
    """Re-identification with its 95 % interval over people, and their number; None if too few have that many dialogues."""
    runs = [nearer_to_self(corpus.values[columns], corpus.people, items, seed) for seed in range(draws)]
    shares = np.array([np.mean([run[who] for run in runs]) for who in runs[0]])
    if len(shares) < 2 * FOLDS:
        return None
    half = student_factor(len(shares) - 1) * float(shares.std(ddof=1)) / len(shares) ** 0.5
    return float(shares.mean()), float(shares.mean()) - half, float(shares.mean()) + half, len(shares)


def table(corpus: Corpus) -> list[dict[str, Any]]:
    """One row for each habit."""
    rows = []
    for habit, column in zip(typing().names, corpus.values["habits"].T, strict=True):
        known = column[~np.isnan(column)]
        icc = correlation(column, corpus.people)
        rows.append({"habit": habit, "icc": icc, "mean": float(known.mean()), "has": len(known) / len(column)})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    for corpus in read(options.data):
        pairs = [(columns, items) for columns in corpus.values for items in ITEMS]
        told = {f"{columns} {items}": told_apart(corpus, columns, items, options.draws) for columns, items in pairs}
        found[corpus.name] = {"habits": table(corpus), "re_identification": told}
        if not options.json:
            _print(corpus.name, found[corpus.name])
    if options.json:
        print(json.dumps(found))
    return 0


def _print(name: str, found: dict[str, Any]) -> None:
    for row in found["habits"]:
        print(f"{name:19}{row['habit']:19}icc {row['icc']:5.2f}   mean {row['mean']:.3f}   has {row['has']:.2f}")
    print(f"{name:19}mean intraclass correlation {np.mean([row['icc'] for row in found['habits']]):.3f}")
    for which, told in found["re_identification"].items():
        if told is not None:
            mean, low, high, people = told
            print(f"{name:19}{which} item{'s' if not which.endswith(' 1') else ''}: {mean:.3f} [{low:.3f}, {high:.3f}] of {people} people")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

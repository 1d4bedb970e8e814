"""Calculations for the page: rounding, the plane, quantiles, gains, the Pareto front, the treemap. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from personaevo import definitions, reference
from personaevo.archive import Archive, Elite
from personaevo.config import SearchConfig
from personaevo.errors import InputError, PersonaevoError
from personaevo.evolve import ranking
from personaevo.evolve.prepare import input_digests, load_people, load_tasks
from personaevo.evolve.ranking import FREE
from personaevo.judge.objectives import SCORE, ordered, scoring_of, steering
from personaevo.measure.cells import Standard
from personaevo.measure.stats import student_factor
from personaevo.models.ledger import Spent
from personaevo.records import Commit, Episode, Evaluation, FinalTable, Floats, Run, Scoring, TableRow
from personaevo.reference import Reference

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
Box = tuple[float, float, float, float]


def short(value: float, digits: int = 4) -> float:
    """Round a value, to keep the page small."""
    return round(float(value), digits)


def fingerprints(episodes: Sequence[Episode]) -> Floats:
    """Return the fingerprints ``values[n, d]`` of the completed episodes, see ``matrix``."""
    return matrix([one.fingerprint for one in episodes if one.state == "completed" and one.fingerprint])


def matrix(rows: Sequence[Sequence[float]]) -> Floats:
    """Return rows as ``values[n, d]``; ``[0, 0]`` if there are none, or their lengths differ (a damaged file)."""
    return np.array(rows, dtype=float) if rows and len({len(row) for row in rows}) == 1 else np.empty((0, 0))


@dataclass(frozen=True)
class Plane:
    """The first two principal components of people's standardized fingerprints.

    ``shares`` are the shares of people's variance along the two directions; ``names`` describe the directions.
    """

    standard: Standard
    directions: Floats  # [2, kept columns]
    shares: tuple[float, float]
    names: tuple[str, str]

    @classmethod
    def of(cls, people: Floats, names: Sequence[str]) -> Plane:
        """Compute the plane of ``people[n, d]``; the sign of each direction makes its largest loading positive."""
        standard = Standard.of(people)
        _, scale, directions = np.linalg.svd(standard(people), full_matrices=False)
        kept = [name for name, keep in zip(names, standard.kept, strict=True) if keep]
        top = np.array([row * np.sign(row[np.abs(row).argmax()]) for row in directions[:2]])
        part = scale**2 / (scale**2).sum()
        titles = []
        for direction in top:
            largest = np.argsort(-np.abs(direction), kind="stable")[:3]
            titles.append(", ".join(f"{'more' if direction[i] > 0 else 'less'} {in_words(kept[i])}" for i in largest))
        return cls(standard, top, (float(part[0]), float(part[1])), (titles[0], titles[1]))

    def __call__(self, values: Floats) -> Floats:
        """Project ``values[n, d]`` to ``[n, 2]``; no rows if the features are not those of the people."""
        if values.shape[1:] != self.standard.kept.shape:
            return np.empty((0, 2))
        placed: Floats = self.standard(values) @ self.directions.T
        return placed


def in_words(name: str) -> str:
    """Write the name of a feature or operator as words: "pushback_rate" is "pushback rate"."""
    return name.replace("_", " ")


def spread(values: Floats) -> list[dict[str, float]]:
    """Return the mean and the quantiles ``LEVELS`` of each column of ``values[n, d]``."""
    found = np.quantile(values, LEVELS, axis=0)
    return [
        {"mean": float(mean), **{f"q{round(level * 100)}": float(value) for level, value in zip(LEVELS, column, strict=True)}}
        for mean, column in zip(values.mean(axis=0), found.T, strict=True)
    ]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the mean and its 95 % Student interval; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    half = student_factor(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def gains(commits: Sequence[Commit]) -> dict[int, float]:
    """Return the score of each evaluated candidate minus that of its first parent, by number; without those whose parent has no score."""
    scores: dict[str, float] = {}
    found = {}
    for commit in commits:
        if commit.evaluation is None or SCORE not in commit.evaluation.objectives:
            continue
        score, parents = commit.evaluation.objectives[SCORE].value, commit.candidate.parents
        scores.setdefault(commit.candidate.program.id, score)
        if parents and parents[0] in scores:
            found[commit.candidate.number] = score - scores[parents[0]]
    return found


def front(points: Mapping[int, Sequence[float]]) -> list[int]:
    """Return the Pareto front: keys of the points that no other dominates (at least as good in every coordinate; more is better), by
    falling first coordinate; of equal points the lowest key."""
    chosen: list[int] = []
    kept = np.array(list(points.values()), dtype=float)  # the first rows are the points chosen so far
    for key in sorted(points, key=lambda key: (-sum(points[key]), key)):  # a point that dominates another has a larger sum
        at = np.asarray(points[key], dtype=float)
        if not (kept[: len(chosen)] >= at).all(axis=1).any():
            kept[len(chosen)] = at
            chosen.append(key)
    return sorted(chosen, key=lambda key: (-points[key][0], key))


def tiles(masses: Sequence[float], ratio: float = 2.2) -> list[Box]:
    """Compute a squarified treemap (Bruls et al. 2000): left, top, width and height of each tile in percent of an area ``ratio`` times as
    wide as high, in the order given. Areas are proportional to the masses (tiny where a mass is 0)."""
    weights = np.maximum(np.asarray(masses, dtype=float), 1e-3)
    areas = weights / weights.sum() * ratio
    boxes: dict[int, Box] = {}
    left, top, width, height = 0.0, 0.0, ratio, 1.0
    waiting = list(np.argsort(-areas, kind="stable"))
    while waiting:
        side = min(width, height)
        count = _row_length([float(areas[i]) for i in waiting], side)
        row, waiting = waiting[:count], waiting[count:]
        depth = float(areas[row].sum()) / side
        along = 0.0
        for i in row:
            length = float(areas[i]) / depth
            box = (left, top + along, depth, length) if width >= height else (left + along, top, length, depth)
            boxes[int(i)] = (box[0] / ratio * 100, box[1] * 100, box[2] / ratio * 100, box[3] * 100)
            along += length
        if width >= height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
    return [boxes[i] for i in range(len(weights))]


def _row_length(areas: Sequence[float], side: float) -> int:
    """The number of areas in a row along ``side`` that minimizes the worst aspect ratio."""

    def worst_ratio(count: int) -> float:
        depth = sum(areas[:count]) / side
        return max(max(depth**2 / area, area / depth**2) for area in areas[:count])

    count = 1
    while count < len(areas) and worst_ratio(count + 1) <= worst_ratio(count):
        count += 1
    return count


def intervals(commit: Commit, calls: int) -> dict[str, list[Any]]:
    """Return the objectives of an evaluated candidate as [value, low, high, raw], with the 95 % Student interval over its ``generate``
    calls, not clipped."""
    if commit.evaluation is None:
        return {}
    factor = student_factor(calls - 1)
    return {
        name: [short(x.value), short(x.value - factor * x.se), short(x.value + factor * x.se), short(x.raw)]
        for name, x in commit.evaluation.objectives.items()
    }


WITH_DIALOGUES, WITH_SOURCE = 40, 200  # candidates, at most
_SCHEMA_WITH_CALLS = 3
_NO_CONTROLS = "The archive has no dialogues of the persona-free simulator, so the plots do not show it."


@dataclass(frozen=True)
class Compared:
    """The people that steered the search, with whom programs are compared; None if not available. ``missing`` names everything that is
    missing and the reason, in one sentence each."""

    people: Reference | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """One run as the page shows it. ``episodes`` has the episodes of candidates whose dialogues are shown, by candidate number;
    ``sourced`` has the numbers of candidates whose source is shown."""

    file: str
    run: Run
    commits: Sequence[Commit]
    elites: Sequence[Elite]
    final: FinalTable
    finals: Sequence[Evaluation]
    scoring: Scoring
    spending: Mapping[str, Spent]
    episodes: Mapping[int, tuple[Episode, ...]]
    sourced: frozenset[int]
    compared: Compared

    @property
    def table(self) -> Sequence[TableRow]:
        """The rows of the final table."""
        return self.final.rows

    @property
    def scored_by(self) -> int:
        """The scoring version of the run."""
        return scoring_of(self.run.settings)

    @cached_property
    def steering(self) -> tuple[str, ...]:
        """The objectives that steered the run, in the order of tables; those of the installed version if the archive has no rules."""
        named = [name for name, rule in self.scoring.rules.items() if rule[0] == "steers"]
        found = {name for one in self.commits if one.evaluation for name in one.evaluation.objectives}
        return tuple(ordered(named)) or tuple(name for name in steering() if name in found)

    @cached_property
    def floors(self) -> dict[str, float]:
        """The floor of each objective that has one."""
        return {name: floor for name, (role, _, floor, _) in self.scoring.rules.items() if role == "holds" and floor is not None}

    @property
    def calls(self) -> int:
        """The number of ``generate`` calls of an evaluation: the sample size of its intervals."""
        return int(self.run.settings.get("task_count", 2))

    def holds_floors(self, commit: Commit) -> bool:
        """Tell whether a candidate was scored and meets every floor."""
        return ranking.holds_floors(commit.evaluation, self.floors)

    def scored(self) -> list[Commit]:
        """Return the evaluated candidates by number, without those whose objectives are missing in a damaged file."""
        wanted = {SCORE, *self.steering}
        return [
            one for one in self.commits
            if one.candidate.state == "evaluated" and one.evaluation is not None and one.evaluation.objectives.keys() >= wanted
        ]  # fmt: skip

    def lower_bound(self, commit: Commit) -> float:
        """Return the lower bound by which a scored candidate is ranked."""
        assert commit.evaluation is not None
        return ranking.lower_bound(commit.evaluation, self.steering)

    def ranked(self) -> list[Commit]:
        """Return the candidates that meet every floor, the best first."""
        feasible = filter(self.holds_floors, self.scored())
        return ranking.ranked(((one.evaluation, one) for one in feasible if one.evaluation is not None), self.steering)

    def best(self) -> Commit | None:
        """Return the winner of the finals; before the finals, the best candidate so far that meets every floor."""
        named = {row.program_id for row in self.table if row.row == "evolved"}
        return next((one for one in self.commits if one.candidate.program.id in named), None) or next(iter(self.ranked()), None)

    def controls(self, kind: str) -> tuple[tuple[float, ...], ...]:
        """Return the fingerprints of one kind of control on the tasks of the search."""
        return tuple(one.fingerprint for one in self.scoring.controls if (one.split, one.kind) == ("train", kind))


def gather(archive: Archive, run_id: int | None = None, human: Path | None = None) -> Material:
    """Read one run (by default the latest). ``human`` is the file of people that the run was measured against.

    Raises:
        ArchiveError: the archive cannot be read, or has no such run.
        InputError, ReferenceDataError: ``human`` cannot be read, or holds other people than the run's.
    """
    run = archive.run(run_id)
    has_calls = archive.summary()["schema"] >= _SCHEMA_WITH_CALLS
    material = Material(
        file=archive.path.name,
        run=run,
        commits=archive.commits(run.id),
        elites=archive.elites(run.id),
        final=archive.final_table(run.id),
        finals=archive.finals(run.id),
        scoring=archive.scoring(run.id),
        spending={role: Spent(*sums) for role, sums in archive.calls().sums(run.id).items()} if has_calls else {},
        episodes={},
        sourced=frozenset(),
        compared=compared(run, human),
    )
    if not material.controls(FREE):
        material = replace(material, compared=replace(material.compared, missing=(*material.compared.missing, _NO_CONTROLS)))
    shown = _by_interest(material)
    return replace(
        material,
        episodes={number: archive.episodes(run.id, number) for number in shown[:WITH_DIALOGUES]},
        sourced=frozenset(shown[:WITH_SOURCE]),
    )


def _by_interest(material: Material) -> list[int]:
    """All candidate numbers by priority on the page: programs of the final table, finalists, elites, the ancestors of these, then all by
    rank, and last those below a floor and those that failed."""
    first: dict[str, Commit] = {}
    for commit in material.commits:
        first.setdefault(commit.candidate.program.id, commit)
    best = material.best()
    named = [
        *([best.candidate.program.id] if best else []),
        *(row.program_id for row in material.table if row.program_id),
        *(one.program_id for one in material.finals),
        *(one.program_id for one in material.elites),
    ]
    order = [first[one] for one in named if one in first]
    for commit in list(order):
        order += _ancestors(commit, first)
    rest = sorted(material.commits, key=lambda one: one.evaluation is None)
    return list(dict.fromkeys(commit.candidate.number for commit in (*order, *material.ranked(), *rest)))


def _ancestors(commit: Commit, first: Mapping[str, Commit]) -> list[Commit]:
    """First parents back to the seed program; tolerates cycles, which a damaged file may hold."""
    way: list[Commit] = []
    seen = {commit.candidate.program.id}
    while commit.candidate.parents and commit.candidate.parents[0] in first and commit.candidate.parents[0] not in seen:
        commit = first[commit.candidate.parents[0]]
        seen.add(commit.candidate.program.id)
        way.append(commit)
    return way


def compared(run: Run, human: Path | None = None) -> Compared:
    """Return the people of a run, if they are available and unchanged.

    Raises:
        InputError, ReferenceDataError: ``human`` cannot be read, or holds other people than the run's.
    """
    given = {name: value for name, value in run.settings.items() if name in SearchConfig.model_fields}
    config = SearchConfig.model_validate(given)
    if config.human is not None and human is None:
        why = "The run was measured against people from a file. Files named in an archive are not opened: give it with --human FILE."
        return Compared(None, (why,))
    if config.domain_folder is not None or config.domain not in definitions.domain_names():
        return Compared(None, (f"The domain {config.domain!r} is not installed, so its people are not available.",))
    try:
        return _installed(config.model_copy(update={"human": human, "tasks": None}), run, human)
    except PersonaevoError as error:
        if human is not None:
            raise
        return Compared(None, (f"The people of the run are not available: {error}.",))


def _installed(config: SearchConfig, run: Run, human: Path | None) -> Compared:
    people = load_people(config)
    now = input_digests(config, load_tasks(config), people)
    if any(run.settings.get(name) != now[name] for name in ("people_digest", "features_digest")):
        if human is not None:
            raise InputError(f"{human}: these are not the people that run {run.id} was measured against; give its search's own file")
        return Compared(None, ("The installed people are not those the run was measured against, so they are left out.",))
    steering, _ = reference.split(people, config.seed)
    return Compared(steering, ())

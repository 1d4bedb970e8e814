"""Calculations for the page: rounding, the plane, quantiles, gains, the Pareto front, the treemap. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.judge.objectives import SCORE
from personaevo.measure.cells import Standard
from personaevo.measure.stats import student_factor
from personaevo.records import Commit, Episode, Floats

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

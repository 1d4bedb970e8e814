"""Small calculations for the page: rounding, the plane, quantiles, gains, the Pareto front, the tiling of the map. Pure functions."""

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
    """Rounded for the page, so that it stays small."""
    return round(float(value), digits)


def fingerprints(episodes: Sequence[Episode]) -> Floats:
    """``values[n, d]`` of the completed episodes, see ``matrix``."""
    return matrix([one.fingerprint for one in episodes if one.state == "completed" and one.fingerprint])


def matrix(rows: Sequence[Sequence[float]]) -> Floats:
    """``values[n, d]``; ``[0, 0]`` if there are none, or they are of different lengths (a damaged file)."""
    return np.array(rows, dtype=float) if rows and len({len(row) for row in rows}) == 1 else np.empty((0, 0))


@dataclass(frozen=True)
class Plane:
    """The plane in which people differ most: the first two principal components of their standardized fingerprints.

    ``shares`` are the parts of people's variance that the two directions hold; ``names`` say what grows along each.
    """

    standard: Standard
    directions: Floats  # [2, kept columns]
    shares: tuple[float, float]
    names: tuple[str, str]

    @classmethod
    def of(cls, people: Floats, names: Sequence[str]) -> Plane:
        """The plane of ``people[n, d]``; of each direction the sign is such that its largest loading is positive."""
        standard = Standard.of(people)
        _, scale, directions = np.linalg.svd(standard(people), full_matrices=False)
        kept = [name for name, keep in zip(names, standard.kept, strict=True) if keep]
        top = np.array([row * np.sign(row[np.abs(row).argmax()]) for row in directions[:2]])
        part = scale**2 / (scale**2).sum()
        return cls(standard, top, (float(part[0]), float(part[1])), (_named(top[0], kept), _named(top[1], kept)))

    def __call__(self, values: Floats) -> Floats:
        """``values[n, d]`` in the plane, ``[n, 2]``; no rows for values that are not of the people's features."""
        if values.shape[1:] != self.standard.kept.shape:
            return np.empty((0, 2))
        placed: Floats = self.standard(values) @ self.directions.T
        return placed


def _named(direction: Floats, names: Sequence[str]) -> str:
    order = np.argsort(-np.abs(direction), kind="stable")[:3]
    return ", ".join(f"{'more' if direction[i] > 0 else 'less'} {spoken(names[i])}" for i in order)


def spoken(name: str) -> str:
    """A feature's or operator's name as words: "pushback_rate" is "pushback rate"."""
    return name.replace("_", " ")


def spread(values: Floats) -> list[dict[str, float]]:
    """Of each column of ``values[n, d]``: mean and the quantiles of ``LEVELS``."""
    found = np.quantile(values, LEVELS, axis=0)
    return [
        {"mean": float(mean), **{f"q{round(level * 100)}": float(value) for level, value in zip(LEVELS, column, strict=True)}}
        for mean, column in zip(values.mean(axis=0), found.T, strict=True)
    ]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean and its 95 % Student interval; None for fewer than two values, of which nothing is known."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    half = student_factor(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def gains(commits: Sequence[Commit]) -> dict[int, float]:
    """Search score of each evaluated candidate less that of its first parent, by number; without those whose parent has none."""
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
    """The Pareto front: keys of the points that no other dominates (at least as good in every coordinate; more is better), by falling
    first coordinate; of equal points the lowest key."""
    chosen: list[int] = []
    kept = np.array(list(points.values()), dtype=float)  # its first rows are those chosen so far
    for key in sorted(points, key=lambda key: (-sum(points[key]), key)):  # whoever dominates a point has a larger sum
        at = np.asarray(points[key], dtype=float)
        if not (kept[: len(chosen)] >= at).all(axis=1).any():
            kept[len(chosen)] = at
            chosen.append(key)
    return sorted(chosen, key=lambda key: (-points[key][0], key))


def tiles(masses: Sequence[float], ratio: float = 2.2) -> list[Box]:
    """A squarified treemap (Bruls et al. 2000): left, top, width, height of each, in percent of an area ``ratio`` times as wide as high,
    in the order given; areas are as the masses (a tiny one where a mass is 0)."""
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
    """How many of the areas make a row along ``side`` whose longest tile is least stretched."""

    def stretched(count: int) -> float:
        depth = sum(areas[:count]) / side
        return max(max(depth**2 / area, area / depth**2) for area in areas[:count])

    count = 1
    while count < len(areas) and stretched(count + 1) <= stretched(count):
        count += 1
    return count


def intervals(commit: Commit, calls: int) -> dict[str, list[Any]]:
    """Objectives of an evaluated candidate as [value, low, high, raw], with the 95 % Student interval over its ``generate`` calls; neither
    end is clipped."""
    if commit.evaluation is None:
        return {}
    factor = student_factor(calls - 1)
    return {
        name: [short(x.value), short(x.value - factor * x.se), short(x.value + factor * x.se), short(x.raw)]
        for name, x in commit.evaluation.objectives.items()
    }

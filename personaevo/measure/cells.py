"""Cells of the behavior space: a centroidal Voronoi tessellation of people's fingerprints, and the overlap of populations over it.

The tessellation is by k-means on standardized fingerprints, as in CVT-MAP-Elites (Vassiliades et al. 2018). Overlap is the intersection
of two histograms over the cells, ``sum_c min(p_c, m_c)``. It is reported relative to the overlap of equally many held-out people, because
the overlap of even a perfect sample grows with its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from personaevo.errors import ConfigError, ReferenceDataError, quiet
from personaevo.executors import Carried
from personaevo.measure.stats import cdist, kmeans2, kth_distances
from personaevo.records import Floats

MIN_CELL_SHARE = 0.02
REACHED = 0.99  # share of people within reach of a cell
OUTSIDE = -1
_REPAIRS = 60


@dataclass(frozen=True)
class Standard:
    """Standardization of columns by people's mean and standard deviation; constant columns are dropped."""

    mean: Floats
    sd: Floats
    kept: Any

    @classmethod
    def of(cls, values: Floats) -> Standard:
        """Fit the standardization to ``values[n, d]``."""
        sd = values.std(axis=0)
        kept = sd > 1e-9 * np.maximum(1.0, np.abs(values).max(axis=0))
        return cls(values.mean(axis=0)[kept], sd[kept], kept)

    def __call__(self, values: Floats) -> Floats:
        """Standardize ``values[n, d]``: ``[n, kept columns]``."""
        scaled: Floats = (values[:, self.kept] - self.mean) / self.sd
        return scaled


@runtime_checkable
class Descriptors(Protocol):
    """User-defined behavior descriptors for the cells, in place of the whole fingerprint.

    ``measure`` maps fingerprints ``[n, d]`` (columns as in ``pe.fingerprint(...).names``) to coordinates ``[n, k]``, one column for each of
    ``names``. ``id`` is recorded with a run; change it whenever the coordinates change.
    """

    id: str
    names: Sequence[str]

    def measure(self, values: Floats) -> Floats: ...


@dataclass(frozen=True)
class Described:
    """Standardization of user-defined descriptors."""

    carried: Carried
    standard: Standard

    @classmethod
    def of(cls, descriptors: Descriptors, values: Floats) -> Described:
        """Fit the standardization to the coordinates of ``values[n, d]``."""
        return cls(Carried(descriptors), Standard.of(_coordinates(descriptors, values)))

    def __call__(self, values: Floats) -> Floats:
        """Standardized coordinates of ``values[n, d]``, ``[n, kept columns]``."""
        return self.standard(_coordinates(self.carried.part, values))

    @property
    def names(self) -> list[str]:
        """Names of the kept columns."""
        return [name for name, kept in zip(self.carried.part.names, self.standard.kept, strict=True) if kept]


def _coordinates(descriptors: Descriptors, values: Floats) -> Floats:
    """Coordinates by the descriptors. Raises ConfigError unless they are finite numbers with a column for each name."""
    found = np.asarray(descriptors.measure(values), dtype=float)
    wanted = (len(values), len(descriptors.names))
    if found.shape != wanted or not np.isfinite(found).all():
        raise ConfigError(f"descriptors {descriptors.id}: expected finite numbers of shape {wanted}, got shape {found.shape}")
    return found


@dataclass(frozen=True)
class Cells:
    """A tessellation: centroids ``[k, kept columns]`` on the standardized scale and the share of people in each cell, ``masses[k]``. Points
    farther than ``reach`` from every centroid (1 % of people are) belong to no cell."""

    standard: Standard | Described
    centroids: Floats
    masses: Floats
    reach: float = float("inf")

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, values: Floats) -> Any:
        """Index of the nearest cell of each row of ``values[n, d]`` (the lowest on ties), ``OUTSIDE`` beyond reach."""
        distances = cdist(self.standard(values), self.centroids)
        return np.where(distances.min(axis=1) <= self.reach, distances.argmin(axis=1), OUTSIDE)

    def shares(self, cells: Any, planned: int) -> Floats:
        """Share of the ``planned`` episodes in each cell. Episodes without a cell (failed or outside) count in the total only."""
        inside = np.asarray(cells)
        return np.bincount(inside[inside != OUTSIDE], minlength=len(self)) / max(planned, 1)

    def with_masses(self, values: Floats) -> Cells:
        """The same cells with the masses of these people."""
        return Cells(self.standard, self.centroids, self.shares(self.assign(values), len(values)), self.reach)


def overlap(shares: Floats, masses: Floats) -> float:
    """Histogram intersection ``sum_c min(p_c, m_c)``, 0..1."""
    return float(np.minimum(shares, masses).sum())


def tessellate(
    people: Floats, cells: int = 16, seed: int = 0, kinds: Floats | None = None, descriptors: Descriptors | None = None
) -> Cells:
    """Tessellate ``people[n, d]`` into cells with at least 2 % of them each; the result has fewer cells if people do not fill that many.

    Args:
        kinds: points ``[m, d]`` (of profiles, say) to center the cells on instead. Masses are still those of ``people``, and cells with
            too few people are removed.
        descriptors: coordinates to use in place of standardized fingerprints.

    Raises:
        ReferenceDataError: fewer than two people (or kinds) per cell.
        ConfigError: the descriptors give no valid coordinates.
    """
    points = people if kinds is None else kinds
    if len(points) < 2 * cells:
        needed = f"at least {2 * cells} are needed; give more people or fewer cells"
        raise ReferenceDataError(f"{len(points)} people are too few for {cells} cells: {needed}")
    standard = Standard.of(people) if descriptors is None else Described.of(descriptors, people)
    centroids = _centroids(standard(points), cells, np.random.default_rng(seed))
    made = _reaching(standard, centroids, people)
    while kinds is not None and made.masses.min() < MIN_CELL_SHARE:
        made = _reaching(standard, np.delete(made.centroids, made.masses.argmin(), axis=0), people)
    return made


def _reaching(standard: Standard | Described, centroids: Floats, people: Floats) -> Cells:
    """Cells whose reach includes the share ``REACHED`` of these people, with their masses."""
    reach = float(np.quantile(cdist(standard(people), centroids).min(axis=1), REACHED))
    return Cells(standard, centroids, np.zeros(len(centroids)), reach).with_masses(people)


def _centroids(points: Floats, cells: int, rng: np.random.Generator) -> Floats:
    """At most ``cells`` centroids, each with at least the minimum share of the points."""
    for k in range(cells, 1, -1):
        found = _balanced(points, k, rng)
        if found is not None:
            return found
    middle: Floats = points.mean(axis=0, keepdims=True)
    return middle


def _balanced(points: Floats, k: int, rng: np.random.Generator) -> Floats | None:
    """k-means in which the smallest cell moves into the largest one until all have the minimum share; None if that fails."""
    if not points.shape[1]:
        return None
    centroids, labels = points[:1], np.zeros(len(points), int)
    if k > 1:
        with quiet():  # empty cells are repaired below
            centroids, labels = kmeans2(points, k, iter=30, minit="++", rng=rng, missing="warn")
    for _ in range(_REPAIRS):
        counts = np.bincount(labels, minlength=k)
        if counts.min() >= max(1.0, MIN_CELL_SHARE * len(points)):
            order = np.lexsort(centroids.T[::-1])
            return np.asarray(centroids[order], dtype=float)
        members = points[labels == counts.argmax()]
        centroids = centroids.copy()
        centroids[counts.argmin()] = members[rng.integers(len(members))]
        with quiet():
            centroids, labels = kmeans2(points, centroids, iter=30, minit="matrix", missing="warn")
    return None


def people_overlap(people: Floats, cells: Cells, n: int, *, draws: int = 200, seed: int = 0) -> float:
    """Expected overlap of ``n`` held-out people with the others: mean over draws of n people.

    If fewer than half would remain, n people are drawn with replacement from one half and compared with the other half.
    """
    rng = np.random.default_rng(seed)
    assigned = cells.assign(people)
    total = []
    for _ in range(draws):
        order = rng.permutation(len(people))
        held = order[:n] if 2 * n <= len(people) else rng.choice(order[: len(people) // 2], n)
        rest = order[min(n, len(people) // 2) :]
        total.append(overlap(cells.shares(assigned[held], n), cells.shares(assigned[rest], len(rest))))
    return float(np.mean(total))


def overlap_with(personas: Floats, humans: Floats, cells: int = 16, seed: int = 0) -> float:
    """Raw overlap (0..1) of ``personas[n, d]`` with ``humans[m, d]`` over cells made from the humans.

    Public as ``pe.overlap`` and under its old name ``pe.coverage``. Columns are standardized by the humans; columns that are constant
    among them are dropped.

    Raises:
        ReferenceDataError: fewer than two humans per cell.
    """
    made = tessellate(np.asarray(humans, dtype=float), cells, seed)
    points = np.asarray(personas, dtype=float)
    return overlap(made.shares(made.assign(points), len(points)), made.masses)


def chamfer(personas: Floats, humans: Floats, standard: Standard | Described, within: float | None = None) -> float:
    """PPol's Chamfer coverage (arXiv 2605.12894): ``max(0, 1 - min(1, err / (2 d)))``.

    ``err`` is the two-sided mean nearest-neighbor distance, ``d`` the mean distance between humans (``within``, if given). It is reported
    for comparison and does not steer, because ten copies of the average person score as well as ten people.
    """
    ours, theirs = standard(personas), standard(humans)
    between = cdist(theirs, ours)
    d = apart(humans, standard) if within is None else within
    err = between.min(axis=1).mean() + between.min(axis=0).mean()
    return float(max(0.0, 1.0 - min(1.0, err / (2 * d)))) if d > 0 else 0.0


def apart(humans: Floats, standard: Standard | Described) -> float:
    """Mean Euclidean distance between two rows of ``humans[m, d]``, after standardization."""
    theirs = standard(humans)
    return float(cdist(theirs, theirs).sum() / max(len(theirs) * (len(theirs) - 1), 1))


RARE = 0.1  # share of people that count as rare: those at the lowest densities
RARE_SEATS = 0.25  # share of the sample drawn from them


def densities(points: Floats) -> Floats:
    """Density at each of ``points[n, d]``: one over the distance to the k-th nearest other point, k = ceil(sqrt(n)).

    The k-nearest-neighbor estimate (Loftsgaarden and Quesenberry 1965) without its constants and power, which do not change the order.
    Infinite where k others coincide with the point; 0 for a single point.
    """
    if len(points) < 2:
        return np.zeros(len(points))
    k = min(math.ceil(math.sqrt(len(points))), len(points) - 1)
    with np.errstate(divide="ignore"):
        return 1.0 / kth_distances(points, k + 1)  # a point is its own nearest


def sample(points: Floats, seats: int, rng: np.random.Generator) -> dict[int, float]:
    """Draw up to ``seats`` of ``points[n, d]``: index to the share of all points that it represents. The shares sum to 1.

    Takes all points if there are no more than ``seats``. Otherwise the sample is stratified: a quarter of the seats goes to the tenth of
    the points at the lowest densities, the rest to the others. Weights keep each stratum at its share of the points. Simple random
    sampling would mostly miss the sparse regions (compare USP, arXiv 2502.18968).
    """
    n = len(points)
    if n <= seats:
        return dict.fromkeys(range(n), 1.0 / max(n, 1))
    order = np.argsort(densities(points), kind="stable")
    rare = max(1, round(RARE * n))
    first = min(rare, max(1, round(RARE_SEATS * seats)), seats - 1) if seats > 1 else 0
    strata = ((order[:rare], first), (order[rare:], seats - first)) if first else ((order, seats),)
    return {
        int(index): len(stratum) / n / places
        for stratum, places in strata for index in sorted(rng.choice(stratum, places, replace=False))
    }  # fmt: skip

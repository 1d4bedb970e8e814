"""Cells: the kinds of people that there are, and which of them a population reaches.

People's standardized fingerprints are tessellated into cells (centroidal Voronoi tessellation by k-means, as in CVT-MAP-Elites,
Vassiliades et al. 2018); overlap is that of two histograms over those cells, ``sum_c min(p_c, m_c)``. It is compared with
what equally many held-out people reach, because the overlap of even a perfect sample grows with its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from personaevo.errors import ConfigError, ReferenceDataError
from personaevo.measure.lazy import cdist, kmeans2
from personaevo.quiet import quiet
from personaevo.records import Floats
from personaevo.shipping import Carried

MIN_CELL_SHARE = 0.02
REACHED = 0.99  # share of people whom the cells reach
OUTSIDE = -1
_REPAIRS = 60


@dataclass(frozen=True)
class Standard:
    """Standardization by people: columns are centered and scaled by people's mean and standard deviation; constant ones are dropped."""

    mean: Floats
    sd: Floats
    kept: Any

    @classmethod
    def of(cls, values: Floats) -> Standard:
        """The standardization of ``values[n, d]``."""
        sd = values.std(axis=0)
        kept = sd > 1e-9 * np.maximum(1.0, np.abs(values).max(axis=0))
        return cls(values.mean(axis=0)[kept], sd[kept], kept)

    def __call__(self, values: Floats) -> Floats:
        """``values[n, d]`` on the standardized scale, ``[n, kept columns]``."""
        scaled: Floats = (values[:, self.kept] - self.mean) / self.sd
        return scaled


@runtime_checkable
class Descriptors(Protocol):
    """What cells are made of, in place of all behaviors: ``measure`` gives of fingerprints ``[n, d]`` (columns as in
    ``pe.fingerprint(...).names``) coordinates ``[n, k]``, one column for each of ``names``. ``id`` is recorded: other coordinates need
    another id."""

    id: str
    names: Sequence[str]

    def measure(self, values: Floats) -> Floats: ...


@dataclass(frozen=True)
class Described:
    """Standardized coordinates of one's own, in place of standardized fingerprints."""

    carried: Carried
    standard: Standard

    @classmethod
    def of(cls, descriptors: Descriptors, values: Floats) -> Described:
        """The standardization of the coordinates of ``values[n, d]``."""
        return cls(Carried(descriptors), Standard.of(_coordinates(descriptors, values)))

    def __call__(self, values: Floats) -> Floats:
        """Coordinates of ``values[n, d]`` on the standardized scale, ``[n, kept columns]``."""
        return self.standard(_coordinates(self.carried.part, values))

    @property
    def names(self) -> list[str]:
        """Those of the kept columns."""
        return [name for name, kept in zip(self.carried.part.names, self.standard.kept, strict=True) if kept]


def _coordinates(descriptors: Descriptors, values: Floats) -> Floats:
    """What the descriptors measure. Raises ConfigError unless these are finite numbers, a column for each name."""
    found = np.asarray(descriptors.measure(values), dtype=float)
    wanted = (len(values), len(descriptors.names))
    if found.shape != wanted or not np.isfinite(found).all():
        raise ConfigError(f"descriptors {descriptors.id}: expected finite numbers of shape {wanted}, got shape {found.shape}")
    return found


@dataclass(frozen=True)
class Cells:
    """A tessellation: centroids ``[k, kept columns]`` on the standardized scale and people's share ``masses[k]`` of each cell. What is
    farther than ``reach`` from every centroid (as 1 % of people are) lies outside, in no cell."""

    standard: Standard | Described
    centroids: Floats
    masses: Floats
    reach: float = float("inf")

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, values: Floats) -> Any:
        """The nearest cell of each row of ``values[n, d]`` (lowest index on ties), ``OUTSIDE`` where it is out of reach."""
        distances = cdist(self.standard(values), self.centroids)
        return np.where(distances.min(axis=1) <= self.reach, distances.argmin(axis=1), OUTSIDE)

    def shares(self, cells: Any, planned: int) -> Floats:
        """Share of the ``planned`` episodes in each cell; planned episodes without a cell (failures, and those outside) lie nowhere."""
        inside = np.asarray(cells)
        return np.bincount(inside[inside != OUTSIDE], minlength=len(self)) / max(planned, 1)

    def with_masses(self, values: Floats) -> Cells:
        """The same cells with the masses of other people."""
        return Cells(self.standard, self.centroids, self.shares(self.assign(values), len(values)), self.reach)


def overlap(shares: Floats, masses: Floats) -> float:
    """``sum_c min(p_c, m_c)``, 0..1."""
    return float(np.minimum(shares, masses).sum())


def tessellate(
    people: Floats, cells: int = 16, seed: int = 0, kinds: Floats | None = None, descriptors: Descriptors | None = None
) -> Cells:
    """Cells from ``people[n, d]``, each holding at least 2 % of them; fewer cells when the people do not fill that many.

    With ``kinds[m, d]`` (the places of profiles, say) the cells are made around those; what share of people each holds is counted all the
    same, and a cell that holds too few is given up. With ``descriptors`` cells lie in their coordinates.

    Raises:
        ReferenceDataError: fewer than two people (or kinds) per cell.
        ConfigError: the descriptors give no coordinates.
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
    """Cells that reach as far as ``REACHED`` of people, with these people's masses."""
    reach = float(np.quantile(cdist(standard(people), centroids).min(axis=1), REACHED))
    return Cells(standard, centroids, np.zeros(len(centroids)), reach).with_masses(people)


def _centroids(points: Floats, cells: int, rng: np.random.Generator) -> Floats:
    """At most so many centroids that each holds its share of the points."""
    for k in range(cells, 1, -1):
        found = _balanced(points, k, rng)
        if found is not None:
            return found
    middle: Floats = points.mean(axis=0, keepdims=True)
    return middle


def _balanced(points: Floats, k: int, rng: np.random.Generator) -> Floats | None:
    """k-means whose too small cells are dissolved and put into the fullest one, until all hold their share; None if that fails."""
    if not points.shape[1]:
        return None
    centroids, labels = points[:1], np.zeros(len(points), int)
    if k > 1:
        with quiet():  # an empty cell is seen to below
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
    """The overlap that ``n`` people reach, held out: mean over draws of n people against the masses of all the others.

    When fewer than half would remain, n people are drawn with replacement from one half against the other half.
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
    """``pe.overlap`` (its old name: ``pe.coverage``): raw overlap (0..1) of ``personas[n, d]`` with ``humans[m, d]`` over cells made from
    the humans.

    Columns are standardized by the humans; columns constant among them are dropped.

    Raises:
        ReferenceDataError: fewer than two humans per cell.
    """
    made = tessellate(np.asarray(humans, dtype=float), cells, seed)
    points = np.asarray(personas, dtype=float)
    return overlap(made.shares(made.assign(points), len(points)), made.masses)


def chamfer(personas: Floats, humans: Floats, standard: Standard | Described, within: float | None = None) -> float:
    """PPol's coverage: ``max(0, 1 - min(1, err / (2 d)))`` with ``err`` the two-sided mean nearest distance and ``d`` the
    mean distance between humans (arXiv 2605.12894), which is ``within`` where it is known. Reported beside ours; it does not steer, since
    the average person copied ten times scores as well on it as ten people do."""
    ours, theirs = standard(personas), standard(humans)
    between = cdist(theirs, ours)
    d = apart(humans, standard) if within is None else within
    err = between.min(axis=1).mean() + between.min(axis=0).mean()
    return float(max(0.0, 1.0 - min(1.0, err / (2 * d)))) if d > 0 else 0.0


def apart(humans: Floats, standard: Standard | Described) -> float:
    """The mean Euclidean distance between two rows of ``humans[m, d]``, after standardizing."""
    theirs = standard(humans)
    return float(cdist(theirs, theirs).sum() / max(len(theirs) * (len(theirs) - 1), 1))

"""The page of ``archive diff``: the differences between two programs in text, in the behavior of their users, and in scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo import definitions, reference
from personaevo.errors import ArchiveError, PersonaevoError
from personaevo.records import Episode, Floats, Run
from personaevo.reference import Reference


@dataclass(frozen=True, slots=True)
class Change:
    """The means of one behavior in two populations, in the unit of the feature, and the mean of people where their file is available.

    ``size`` is ``after - before`` in standard deviations (see ``Changes.scale``); None where the behavior does not vary.
    """

    behavior: str
    before: float
    after: float
    people: float | None
    size: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes by size, the largest first. ``scale`` names the source of the standard deviations: "people" (those that steered the
    search), or "dialogues" (of the two populations) where the file of people is not available."""

    scale: str
    rows: tuple[Change, ...]


def fingerprints(episodes: Sequence[Episode]) -> Floats:
    """Return the fingerprints ``values[n, d]`` of the completed episodes.

    Raises:
        ArchiveError: their lengths differ.
    """
    rows = [one.fingerprint for one in episodes if one.state == "completed"]
    if len({len(row) for row in rows}) > 1:
        raise ArchiveError("fingerprints of one program have different lengths: the archive was changed; restore a copy")
    return np.array(rows, dtype=float)


def changes(run: Run, before: Sequence[Episode], after: Sequence[Episode]) -> Changes:
    """Compare the behaviors of two populations. No rows if either completed no dialogue. Behaviors are numbered if their count is not that
    of the installed features.

    Raises:
        ArchiveError: the lengths of their fingerprints differ.
    """
    old, new = fingerprints(before), fingerprints(after)
    if not len(old) or not len(new):
        return Changes("dialogues", ())
    if old.shape[1] != new.shape[1]:
        raise ArchiveError("the two programs were measured with different feature sets: compare programs of one run")
    names, count = definitions.features().names, old.shape[1]
    if len(names) != count:
        names = tuple(f"behavior {index}" for index in range(count))
    people = people_of(run)
    scale = people.values if people is not None and people.names == names else None
    spread = np.sqrt((old.var(axis=0) + new.var(axis=0)) / 2) if scale is None else scale.std(axis=0)
    difference = new.mean(axis=0) - old.mean(axis=0)
    rows = [
        Change(
            name, float(old[:, index].mean()), float(new[:, index].mean()), None if scale is None else float(scale[:, index].mean()),
            float(difference[index] / spread[index]) if spread[index] > 1e-9 else None,
        )
        for index, name in enumerate(names)
    ]  # fmt: skip
    rows.sort(key=lambda row: -abs(row.size or 0.0))
    return Changes("dialogues" if scale is None else "people", tuple(rows))


def people_of(run: Run) -> Reference | None:
    """Return the people that steered a run's search, if their file is available and unchanged."""
    human, domain = run.settings.get("human"), str(run.settings.get("domain"))
    try:
        if human is not None:
            found = reference.read(str(human), domain=domain)
        else:
            found = reference.load(definitions.domain_files(domain).reference)
    except PersonaevoError:
        return None
    if found.digest != run.settings.get("people_digest"):
        return None
    return reference.split(found, int(run.settings.get("seed", 0)))[0]

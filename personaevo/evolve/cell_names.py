"""Names for places among people, after what marks them most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from personaevo import definitions
from personaevo.measure.cells import Described, Standard
from personaevo.records import Floats

_MARKED = 0.7  # standard deviations from people's mean
_WORDS = 3


def named(places: Floats, standard: Standard | Described) -> list[str]:
    """A name for each of ``places[n, kept columns]`` (standardized), after the one to three features that mark it most; no two alike."""
    ends = _ends(standard)
    names: list[str] = []
    for place in places:
        order = np.argsort(-np.abs(place), kind="stable")[:_WORDS]
        words = [ends[i][int(place[i] > 0)] for i in order if abs(place[i]) >= _MARKED]
        names.append(", ".join(words) or "average")
    return _numbered(names)


def _ends(standard: Standard | Described) -> list[tuple[str, str]]:
    """Words for the low and the high end of each kept column."""
    if isinstance(standard, Described):
        return [(f"low {name}", f"high {name}") for name in standard.names]
    return [(one.low, one.high) for one, kept in zip(definitions.features().features, standard.kept, strict=True) if kept]


def _numbered(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})" for index, name in enumerate(names)]

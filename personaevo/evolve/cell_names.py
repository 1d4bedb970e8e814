"""Names of cells, after their most distinctive features."""

from __future__ import annotations

import numpy as np

from personaevo import definitions
from personaevo.measure.cells import Described, Standard
from personaevo.records import Floats

_MARKED = 0.7  # least distance from people's mean, in standard deviations, of a feature in a name
_WORDS = 3


def named(places: Floats, standard: Standard | Described) -> list[str]:
    """A unique name for each of ``places[n, kept columns]`` (standardized), from its one to three most distinctive features."""
    if isinstance(standard, Described):
        ends = [(f"low {name}", f"high {name}") for name in standard.names]
    else:
        features = zip(definitions.features().features, standard.kept, strict=True)
        ends = [(one.low, one.high) for one, kept in features if kept]
    names: list[str] = []
    for place in places:
        order = np.argsort(-np.abs(place), kind="stable")[:_WORDS]
        words = [ends[i][int(place[i] > 0)] for i in order if abs(place[i]) >= _MARKED]
        names.append(", ".join(words) or "average")
    return [name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})" for index, name in enumerate(names)]

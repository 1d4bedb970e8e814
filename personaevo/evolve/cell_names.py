"""Names for places among people, after what marks them most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from personaevo import definitions
from personaevo.measure.cells import Standard
from personaevo.records import Floats

_MARKED = 0.7  # standard deviations from people's mean
_WORDS = 3


def named(places: Floats, standard: Standard) -> list[str]:
    """A name for each of ``places[n, kept columns]`` (standardized), after the one to three features that mark it most; no two alike."""
    features = [feature for feature, kept in zip(definitions.features().features, standard.kept, strict=True) if kept]
    names: list[str] = []
    for place in places:
        order = np.argsort(-np.abs(place), kind="stable")[:_WORDS]
        words = [features[i].high if place[i] > 0 else features[i].low for i in order if abs(place[i]) >= _MARKED]
        names.append(", ".join(words) or "average")
    return _numbered(names)


def _numbered(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})" for index, name in enumerate(names)]

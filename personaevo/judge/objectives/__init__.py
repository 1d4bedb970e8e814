"""The registry of objectives, and the score computed from those that steer.

Every ``Objective`` that a module of this package defines is registered. To add one, add a file here, or pass it to one search with
``pe.search(objectives=[…])``. Scorer, final table, ``archive`` commands, report, diff, verify and the archive's views iterate over the
registry or the archive and name no objective.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from personaevo.judge.objectives.base import Objective
from personaevo.records import Floats

SCORING = 2  # version of the scoring: counts up when scores are no longer comparable; archives without a version have the first
SCORE = "score"
SCORE_MEANING = "harmonic mean of the objectives that steer, each clipped to 0..1; 0 if any of them is 0"


_own: ContextVar[tuple[Objective, ...]] = ContextVar("own", default=())  # objectives passed to the search of this context


def objectives() -> tuple[Objective, ...]:
    """All objectives in table order."""
    own = _own.get()
    return tuple(sorted((*_installed(), *own), key=lambda one: (one.order, one.name))) if own else _installed()


@cache
def _installed() -> tuple[Objective, ...]:
    """The objectives of this package, with files that users added."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Objective)}
    return tuple(sorted(found.values(), key=lambda one: (one.order, one.name)))


@contextmanager
def using(own: Sequence[Objective]) -> Iterator[None]:
    """Context manager that adds these objectives in the current context (for threads see ``contextvars``)."""
    token = _own.set(tuple(own))
    try:
        yield
    finally:
        _own.reset(token)


def steering() -> tuple[str, ...]:
    """Names of the objectives that steer the search."""
    return tuple(one.name for one in objectives() if one.role == "steers")


def floors() -> dict[str, float]:
    """Floors of the objectives with the role "holds", by name."""
    return {one.name: one.floor for one in objectives() if one.role == "holds" and one.floor is not None}


def shown() -> tuple[str, ...]:
    """All names in table order, the score first."""
    return (SCORE, *(one.name for one in objectives()))


def ordered(names: Sequence[str]) -> list[str]:
    """Sort names into table order; names unknown to this version (of an older or newer scoring) come last in the given order."""
    known = shown()
    return [*(name for name in known if name in names), *(name for name in names if name not in known)]


def meanings() -> dict[str, str]:
    """One-line meanings by name, the score included."""
    return {SCORE: SCORE_MEANING, **{one.name: one.meaning for one in objectives()}}


def harmonic(shares: Mapping[str, Floats]) -> Floats:
    """The score: harmonic mean of the shares of the objectives that steer (arrays of one shape), as in F1; 0 if any share is 0."""
    clipped = np.clip(np.stack([shares[name] for name in steering()]), 0.0, 1.0)
    found: Floats = np.where((clipped > 0).all(axis=0), len(clipped) / np.sum(1.0 / np.maximum(clipped, 1e-12), axis=0), 0.0)
    return found


def scoring_of(settings: Mapping[str, object]) -> int:
    """Version of the scoring of a run with these settings."""
    return int(str(settings.get("scoring", 1)))


def scoring_digest() -> str:
    """Digest of the scoring: its version, and the version, role, direction and floor of each objective."""
    parts = [SCORING, [(one.name, one.version, one.role, one.direction, one.floor) for one in objectives()]]
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()

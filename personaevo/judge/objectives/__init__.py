"""The registry of objectives: every file of this package that defines ``OBJECTIVE``, and the score that follows from those that steer.

Adding an objective is adding a file, or, for one search, giving it to ``pe.search(objectives=[…])``: scorer, final table, ``archive``
commands, report, diff, verify and the archive's views iterate over what stands here or in the archive, and name none.
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

SCORING = 2  # version of the whole: counts up when scores are no longer comparable; archives without one were scored by the first
SCORE = "score"
SCORE_MEANING = "harmonic mean of the objectives that steer, each clipped to 0..1; 0 if any of them is 0"


_own: ContextVar[tuple[Objective, ...]] = ContextVar("own", default=())  # of the search that runs in this context


def objectives() -> tuple[Objective, ...]:
    """All objectives in the order of tables."""
    own = _own.get()
    return tuple(sorted((*_installed(), *own), key=lambda one: (one.order, one.name))) if own else _installed()


@cache
def _installed() -> tuple[Objective, ...]:
    found = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return tuple(sorted((one.OBJECTIVE for one in found if hasattr(one, "OBJECTIVE")), key=lambda one: (one.order, one.name)))


@contextmanager
def using(own: Sequence[Objective]) -> Iterator[None]:
    """While inside, in this context (threads: see ``contextvars``), these objectives are there as well."""
    token = _own.set(tuple(own))
    try:
        yield
    finally:
        _own.reset(token)


def steering() -> tuple[str, ...]:
    """The names of the objectives that steer."""
    return tuple(one.name for one in objectives() if one.role == "steers")


def floors() -> dict[str, float]:
    """The floor of each objective that holds."""
    return {one.name: one.floor for one in objectives() if one.role == "holds" and one.floor is not None}


def shown() -> tuple[str, ...]:
    """All names in the order of tables: the score first."""
    return (SCORE, *(one.name for one in objectives()))


def ordered(names: Sequence[str]) -> list[str]:
    """Names in the order of tables; those that are not known here (of an older or newer scoring) last, as they come."""
    known = shown()
    return [*(name for name in known if name in names), *(name for name in names if name not in known)]


def meanings() -> dict[str, str]:
    """What each means, in one line."""
    return {SCORE: SCORE_MEANING, **{one.name: one.meaning for one in objectives()}}


def harmonic(shares: Mapping[str, Floats]) -> Floats:
    """The score from the shares of the objectives that steer (arrays of one shape), as in F1: whoever lacks one has nothing to trade."""
    clipped = np.clip(np.stack([shares[name] for name in steering()]), 0.0, 1.0)
    found: Floats = np.where((clipped > 0).all(axis=0), len(clipped) / np.sum(1.0 / np.maximum(clipped, 1e-12), axis=0), 0.0)
    return found


def scoring_of(settings: Mapping[str, object]) -> int:
    """The version of the scoring that a run with these settings was made by."""
    return int(str(settings.get("scoring", 1)))


def scoring_digest() -> str:
    """A short digest of how scores are made: the version of the whole and of each objective, their roles and floors."""
    parts = [SCORING, [(one.name, one.version, one.role, one.direction, one.floor) for one in objectives()]]
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()

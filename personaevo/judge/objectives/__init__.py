"""What an objective is, the registry of objectives, and the score computed from those that steer.

Every ``Objective`` that a module of this package defines is registered. To add one, add a file here, or pass it to one search with
``pe.search(objectives=[…])``. Scorer, final table, ``archive`` commands, report, diff, verify and the archive's views iterate over the
registry or the archive and name no objective.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from personaevo.records import Episode, Floats, Level

if TYPE_CHECKING:
    from personaevo.judge.scorer import Scorer


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


@dataclass(frozen=True)
class Played:
    """n planned dialogues of g ``generate`` calls (one for each task), and k weightings of the calls.

    ``values[n, d]`` are fingerprints. A failed dialogue has the fingerprint of the persona-free dialogue farthest from people, so that
    failing is never rewarded. ``done[n]`` marks completed dialogues; ``call[n]`` and ``persona[n]`` are the indices of call and persona.
    ``weights[k, g]`` is how often each call counts; row 0 is all ones. ``planned`` is n, the size at which people are compared.
    """

    episodes: tuple[Episode, ...]
    values: Floats
    done: Any
    call: Any
    persona: Any
    weights: Floats
    planned: int

    @classmethod
    def of(cls, episodes: Sequence[Episode], failed: Floats, weights: Floats | None = None) -> Played:
        """Arrays of judged episodes; ``failed[d]`` is the fingerprint of failed ones. By default ``weights`` has all calls in row 0 and
        leaves out one call in each further row (delete-one jackknife)."""
        calls = _numbered([one.item.task_id for one in episodes])
        personas = _numbered([(one.item.task_id, one.item.slot) for one in episodes])
        done = np.array([one.state == "completed" for one in episodes], dtype=bool)
        values = np.array([one.fingerprint if one.state == "completed" else failed for one in episodes], dtype=float)
        weighted = leave_one_out(int(calls.max()) + 1) if weights is None else weights
        return cls(tuple(episodes), values, done, calls, personas, weighted, len(episodes))

    @cached_property
    def p_human(self) -> Floats:
        """P(human) of each dialogue, 0 for a failed one; ``[n]``."""
        return np.array([one.p_human or 0.0 for one in self.episodes])

    @cached_property
    def totals(self) -> Floats:
        """Number of planned dialogues under each weighting, ``[k]``."""
        return self.sums(np.ones(len(self.episodes)))

    def sums(self, values: Floats) -> Floats:
        """Weighted sums over the dialogues of ``values[n]`` or ``[n, m]``; ``[k]`` or ``[k, m]``."""
        by_call = np.zeros((self.weights.shape[1], *values.shape[1:]))
        np.add.at(by_call, self.call, values)
        summed: Floats = self.weights @ by_call
        return summed

    def means(self, values: Floats) -> Floats:
        """Weighted means over the planned dialogues; ``[k]`` or ``[k, m]``."""
        return self.sums(values) / (self.totals if values.ndim == 1 else self.totals[:, None])

    @cached_property
    def pairs(self) -> Any:
        """Indices ``[p, 2]`` of the first two dialogues of each persona, where both are completed."""
        rows = [np.flatnonzero(self.persona == number)[:2] for number in range(int(self.persona.max(initial=-1)) + 1)]
        found = [pair for pair in rows if len(pair) == 2 and self.done[pair].all()]
        return np.array(found, dtype=int).reshape(-1, 2)

    @cached_property
    def paired_share(self) -> Floats:
        """Share of the planned personas with two completed dialogues, under each weighting; ``[k]``."""
        count = self.weights.shape[1]
        first = np.unique(self.persona, return_index=True)[1]
        planned = np.bincount(self.call[first], minlength=count)
        whole = np.bincount(self.call[self.pairs[:, 0]], minlength=count)
        share: Floats = (self.weights @ whole) / np.maximum(self.weights @ planned, 1.0)
        return share


def leave_one_out(calls: int) -> Floats:
    """Weights with all calls in row 0 and one call left out in each further row; only row 0 for a single call."""
    return np.vstack([np.ones((1, calls)), 1.0 - np.eye(calls)]) if calls > 1 else np.ones((1, 1))


def _numbered(keys: Sequence[Any]) -> Any:
    """Integer codes of the keys in order of first occurrence."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=int)


Role = Literal["steers", "holds", "beside"]


def share_of(raw: Floats, level: Level, played: Played | None) -> Floats:
    """Scale ``raw[k]`` linearly so that the zero level is 0 and people's level is 1; not clipped."""
    found: Floats = (raw - level.zero) / (level.people - level.zero)
    return found


def no_level(scorer: Scorer, n: int) -> Level | None:
    """No levels: the raw value is reported. (Defaults are functions, not lambdas, because objectives are pickled.)"""
    return None


@dataclass(frozen=True)
class Objective:
    """One objective. The registry finds it as a module-level variable in a file of ``personaevo.judge.objectives``.

    Attributes:
        name: key in archives, tables and JSON.
        meaning: one line for readers.
        needs: unit that it is a property of: "dialogue", "persona" (both dialogues of each) or "population".
        reads: its input: "fingerprints", or the "turns" of dialogues. Reference data has no turns, so an objective of turns is not
            measured on people.
        raw: the statistic under each weighting of the ``generate`` calls, ``[k]``, from stored fingerprints and turns.
        level: raw values for the shares 0 and 1 (equally many other people, unknown to judge and cells); None if reference data does not
            determine them, and the raw value is shown.
        share: converts raw values to shares, by default linearly without clipping; its third argument is None for people, of whom no
            dialogue is missing.
        role: "steers" (part of the score), "holds" (a floor, not traded off) or "beside" (reported only).
        direction: whether "more" or "less" of the share is better. An objective that steers is scaled so that more is better and people
            have 1.
        floor: with the role "holds": a program below it (above it, if less is better) cannot be a parent, an elite or the best.
        order: position in tables; ties are broken by name.
        version: counts up when the same data gives a different value.
    """

    name: str
    meaning: str
    needs: Literal["dialogue", "persona", "population"]
    raw: Callable[[Played, Scorer], Floats]
    reads: Literal["fingerprints", "turns"] = "turns"
    level: Callable[[Scorer, int], Level | None] = no_level
    share: Callable[[Floats, Level, Played | None], Floats] = share_of
    role: Role = "beside"
    direction: Literal["more", "less"] = "more"
    floor: float | None = None
    order: int = 100
    version: int = 1


def mean_over_dialogues(value: Callable[[Episode], float]) -> Callable[[Played, Scorer], Floats]:
    """A raw statistic: the mean of ``value`` over the planned dialogues, where a failed dialogue counts as 0."""

    def raw(played: Played, scorer: Scorer) -> Floats:
        return played.means(np.array([value(one) if one.state == "completed" else 0.0 for one in played.episodes]))

    return raw

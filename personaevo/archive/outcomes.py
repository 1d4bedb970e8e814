"""What came of the candidates of a run, as columns. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaevo.archive.database import Database
from personaevo.errors import ArchiveError
from personaevo.records import Floats

STATES = ("evaluated", "failed", "duplicate")
_SCORE = "score"
_CANDIDATES = f"SELECT number, program, list_position({list(STATES)!r}, state) - 1 AS state FROM candidates WHERE run = ? ORDER BY number"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One entry a candidate, by number: ``programs`` are ids, ``states`` indices into ``STATES``; ``planned`` and ``completed`` dialogues
    are 0 without an evaluation. ``values`` and ``errors`` (standard errors) hold each objective, and count only where it was
    ``measured``; all are finite."""

    numbers: NDArray[np.int64]
    programs: NDArray[Any]
    states: NDArray[np.int64]
    planned: NDArray[np.int64]
    completed: NDArray[np.int64]
    values: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    measured: Mapping[str, NDArray[np.bool_]]


def outcomes(database: Database, run_id: int, names: Sequence[str] | None = None) -> Outcomes:
    """See ``Archive.outcomes``. Raises ArchiveError: values that no search writes."""
    named = list(names) if names is not None else _named(database, run_id)
    database.check("candidates", "run = ?", [run_id], columns=("number", "program", "state"))
    database.check("evaluations", "run = ?", [run_id], columns=("planned", "completed"))
    made = database.columns(_CANDIDATES, [run_id])
    wanted = ["number", "planned", "completed"]
    for place in range(2, len(named) + 2):
        wanted += [f"objectives[${place}].value AS v{place}", f"objectives[${place}].se AS s{place}"]
    scored = database.columns(f"SELECT {', '.join(wanted)} FROM evaluations WHERE run = $1", [run_id, *named])
    numbers = made["number"].astype(np.int64)
    places = np.searchsorted(numbers, scored["number"])
    if len(np.unique(numbers)) < len(numbers) or not np.array_equal(numbers[np.minimum(places, len(numbers) - 1)], scored["number"]):
        raise ArchiveError(f"archive {database.path}: run {run_id} has a candidate twice, or evaluations of none; restore a copy")
    found: dict[str, tuple[Floats, Floats, NDArray[np.bool_]]] = {
        name: _spread(scored[f"v{place}"], scored[f"s{place}"], places, len(numbers)) for place, name in enumerate(named, start=2)
    }
    if not all(np.isfinite(column).all() for value, error, _ in found.values() for column in (value, error)):
        raise ArchiveError(f"archive {database.path}: run {run_id} has an objective that is not finite; restore a copy")
    planned, completed = (_counts(scored[name], places, len(numbers)) for name in ("planned", "completed"))
    return Outcomes(
        numbers, made["program"], made["state"].astype(np.int64), planned, completed, {name: one[0] for name, one in found.items()},
        {name: one[1] for name, one in found.items()}, {name: one[2] for name, one in found.items()},
    )  # fmt: skip


def _named(database: Database, run_id: int) -> list[str]:
    rules = database.execute("SELECT DISTINCT objective FROM rules WHERE run = ? ORDER BY objective", [run_id])
    return [*(str(name) for (name,) in rules if name != _SCORE), _SCORE]


def _spread(values: Any, errors: Any, places: NDArray[np.int64], count: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    known = ~np.ma.getmaskarray(values)
    value, error, measured = np.zeros(count), np.zeros(count), np.zeros(count, dtype=bool)
    value[places[known]], error[places[known]] = np.ma.getdata(values)[known], np.ma.getdata(errors)[known]
    measured[places] = known
    return value, error, measured


def _counts(column: NDArray[np.int64], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    spread = np.zeros(count, dtype=np.int64)
    spread[places] = column
    return spread

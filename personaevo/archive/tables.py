"""The tables and views of an archive as files and data frames, and the named queries."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from personaevo import content
from personaevo.archive.database import Database
from personaevo.archive.opening import closing, for_reading
from personaevo.archive.schema import TABLES
from personaevo.errors import ArchiveError, ConfigError
from personaevo.records import Floats

Kind = Literal["parquet", "csv"]
VIEWS = (
    "best", "cells", "cell_scores", "elites", "elites_anew", "final_table", "lineage", "model_costs", "objectives", "refined_versions",
    "scores", "standings",
)  # fmt: skip


def write_tables(path: str | os.PathLike[str], folder: Path, kind: Kind) -> dict[str, int]:
    """Write every table and view to ``NAME.parquet`` or ``NAME.csv`` in a folder; return their numbers of rows.

    Raises:
        ArchiveError: the archive cannot be read, or a file cannot be written.
    """
    targets = {name: folder.resolve() / f"{name}.{kind}" for name in (*TABLES, *VIEWS)}
    database, held = for_reading(Path(path).resolve(), list(targets.values()))
    with closing(database, held):
        return {name: database.write_table(name, target) for name, target in targets.items()}


FrameKind = Literal["pandas", "arrow"]
_LIBRARIES = {"pandas": "pandas", "arrow": "pyarrow"}
_NAME = re.compile(r"\w+")
Query = Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]


def frame(query: Query, what: str, kind: FrameKind) -> Any:
    """Return a table, view or SELECT as a ``pandas.DataFrame`` or a ``pyarrow.Table``; lists and structs become Python objects.

    Raises:
        ConfigError: there is no such kind, table or view, or the library is not installed.
    """
    if kind not in _LIBRARIES:
        raise ConfigError(f"kind {kind!r:.40}: expected {' or '.join(_LIBRARIES)}")
    try:
        library = import_module(_LIBRARIES[kind])
    except ImportError:
        raise ConfigError(f"a data frame of kind '{kind}' needs another package: pip install {_LIBRARIES[kind]}") from None
    if _NAME.fullmatch(what) and what not in (*TABLES, *VIEWS):
        raise ConfigError(f"no table or view {what!r:.80}: there are {', '.join((*TABLES, *VIEWS))}")
    columns, rows = query(f"SELECT * FROM {what}" if _NAME.fullmatch(what) else what)
    if kind == "pandas":
        return library.DataFrame.from_records(rows, columns=columns)
    return library.table({name: [row[at] for row in rows] for at, name in enumerate(columns)})


STATES = ("evaluated", "failed", "duplicate")
_SCORE = "score"
_RULED = "SELECT DISTINCT objective FROM rules WHERE run = ? AND \"role\" IN ('steers', 'holds') ORDER BY objective"
_CANDIDATES = f"SELECT number, program, list_position({list(STATES)!r}, state) - 1 AS state FROM candidates WHERE run = ?"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One entry per candidate, by number. ``programs`` are ids, ``states`` are indices into ``STATES``; ``planned`` and ``completed``
    dialogues are 0 without an evaluation. ``values`` holds each objective, ``errors`` the standard errors of the score. They are finite,
    and valid only where the objective was ``measured``."""

    numbers: NDArray[np.int64]
    programs: NDArray[Any]
    states: NDArray[np.int64]
    planned: NDArray[np.int64]
    completed: NDArray[np.int64]
    values: Mapping[str, Floats]
    errors: Floats
    measured: Mapping[str, NDArray[np.bool_]]


def outcomes(database: Database, run_id: int, names: Sequence[str] | None = None) -> Outcomes:
    """See ``Archive.outcomes``. Raises ArchiveError: values that no search writes."""
    if names is None:
        names = [str(name) for (name,) in database.execute(_RULED, [run_id]) if name != _SCORE]
    named = list(dict.fromkeys([*names, _SCORE]))
    database.check("candidates", "run = ?", [run_id], columns=("number", "program", "state"))
    database.check("evaluations", "run = ?", [run_id], columns=("planned", "completed"))
    made = database.columns(_CANDIDATES, [run_id])
    order = np.argsort(made["number"], kind="stable")
    made = {name: column[order] for name, column in made.items()}
    values = ", ".join(f"objectives[${place}].value AS v{place}" for place in range(2, len(named) + 2))
    wanted = f"number, planned, completed, {values}, objectives['{_SCORE}'].se AS error"
    scored = database.columns(f"SELECT {wanted} FROM evaluations WHERE run = $1", [run_id, *named])
    numbers = made["number"].astype(np.int64)
    places = np.searchsorted(numbers, scored["number"])
    if len(np.unique(numbers)) < len(numbers) or not np.array_equal(numbers[np.minimum(places, len(numbers) - 1)], scored["number"]):
        raise ArchiveError(f"archive {database.path}: run {run_id} has a candidate twice, or evaluations of none; restore a copy")
    found = {name: _spread(scored[f"v{place}"], places, len(numbers)) for place, name in enumerate(named, start=2)}
    errors = _spread(scored["error"], places, len(numbers))[0]
    if not all(np.isfinite(column).all() for column in (errors, *(value for value, _ in found.values()))):
        raise ArchiveError(f"archive {database.path}: run {run_id} has an objective that is not finite; restore a copy")
    planned, completed = np.zeros((2, len(numbers)), dtype=np.int64)
    planned[places], completed[places] = scored["planned"], scored["completed"]
    return Outcomes(
        numbers, made["program"], made["state"].astype(np.int64), planned, completed, {name: one[0] for name, one in found.items()},
        errors, {name: one[1] for name, one in found.items()},
    )  # fmt: skip


def _spread(values: Any, places: NDArray[np.int64], count: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Put values at their places among ``count`` candidates; the second array tells where there is one."""
    known = ~np.ma.getmaskarray(values)
    value, measured = np.zeros(count), np.zeros(count, dtype=bool)
    value[places[known]] = np.ma.getdata(values)[known]
    measured[places] = known
    return value, measured


def named_queries() -> dict[str, str]:
    """Return the description of each named query, by name."""
    files = sorted((content.root("archive") / "queries").glob("*.sql"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("--").strip() for file in files}


def named_query(name: str) -> str | None:
    """Return the SQL of a named query; None if there is none of that name."""
    if name not in named_queries():
        return None
    return (content.root("archive") / "queries" / f"{name}.sql").read_text(encoding="utf-8")

"""The tables and views of an archive as files and data frames, and the named queries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from personaevo.archive.bounds import TABLES
from personaevo.archive.opening import closing, for_reading

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

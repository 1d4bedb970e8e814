"""The tables and views of an archive as files for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from personaevo.archive import opening
from personaevo.archive.bounds import TABLES

Kind = Literal["parquet", "csv"]
VIEWS = (
    "best", "cells", "cell_scores", "elites", "elites_anew", "final_table", "lineage", "model_costs", "objectives", "refined_versions",
    "scores", "standings",
)  # fmt: skip


def write_tables(path: str | os.PathLike[str], folder: Path, kind: Kind) -> dict[str, int]:
    """Writes ``NAME.parquet`` or ``NAME.csv`` for every table and view into a folder; how many rows each has.

    Raises:
        ArchiveError: the archive cannot be read, or a file not be written.
    """
    targets = {name: folder.resolve() / f"{name}.{kind}" for name in (*TABLES, *VIEWS)}
    database, held = opening.for_reading(Path(path).resolve(), list(targets.values()))
    with opening.closing(database, held):
        return {name: database.write_table(name, target) for name, target in targets.items()}

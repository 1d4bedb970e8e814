"""Resolving which program is meant: by an id prefix, as the elite of a cell ("cell:3"), or by default the best."""

from __future__ import annotations

import re

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.evolve.names import BEST
from personaevo.records import Run

_CELL = re.compile(r"cell:(\d{1,9})")


def best_id(archive: Archive, run_id: int | None = None) -> str:
    """Return the best program of a run (by default the latest): that of its final table, else the best so far by the lower bound of its
    ranking (``evolve.ranking``, the archive's view ``best``).

    Raises:
        ArchiveError: there is none yet.
    """
    run = archive.run(run_id)
    named = [row.program_id for row in archive.final_table(run.id).rows if row.row == BEST and row.program_id]
    if named:
        return named[0]
    found = archive.query("SELECT c.program FROM best JOIN candidates AS c USING (run, number) WHERE run = ?", [run.id])[1]
    if found:
        return str(found[0][0])
    evaluated = any(commit.evaluation is not None for commit in archive.commits(run.id))
    why = "no program that meets the floors of its objectives" if evaluated else "no evaluated program"
    raise ArchiveError(f"archive {archive.path} has {why} yet: let its search continue")


def find(archive: Archive, wanted: str | None, run_id: int | None = None) -> tuple[Run, str]:
    """Return a program's id and a run that proposed it: the given run, else the latest.

    Raises:
        ArchiveError: there is no such program, cell or run, or no elite in the cell yet.
    """
    if wanted is None:
        return archive.run(run_id), best_id(archive, run_id)
    cell = _CELL.fullmatch(wanted)
    if cell:
        run = archive.run(run_id)
        return run, _elite_of(archive, int(cell[1]), run)
    found = archive.program(wanted)
    return archive.run(found["run"] if run_id is None else run_id), str(found["id"])


def _elite_of(archive: Archive, cell: int, run: Run) -> str:
    known = sorted(int(one["cell"]) for one in run.cells)
    if cell not in known:
        have = f"it has {known[0]} to {known[-1]}" if known else "it has none"
        raise ArchiveError(f"run {run.id} has no cell {cell}: {have}, as `archive elites` shows them")
    found = next((elite.program_id for elite in archive.elites(run.id) if elite.cell == cell), None)
    if found is None:
        raise ArchiveError(f"cell {cell} of run {run.id} is empty: no program reaches it yet; `archive elites` shows the filled cells")
    return found

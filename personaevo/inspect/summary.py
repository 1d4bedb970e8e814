"""The page of ``archive summary``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import RenderableType

from personaevo.archive import Archive
from personaevo.inspect import layout
from personaevo.inspect.niches import elites, elites_view
from personaevo.inspect.scoring import scoring_notes
from personaevo.inspect.table import table_view
from personaevo.records import FinalTable, Run, Scoring


def summary_view(archive: Archive) -> RenderableType:
    """Show counts, the scoring, the elite of each cell, and the final table once the search has ended."""
    found = archive.summary()
    run = archive.run() if found["runs"] else None
    table, scoring = (archive.final_table(run.id), archive.scoring(run.id)) if run else (FinalTable(), Scoring({}, ()))
    head = _counts(archive, found, run)
    if run is not None:
        head += scoring_notes(run, scoring, "test" if table.rows else "train")
    labels = layout.labels((label, layout.text(words)) for label, words in head)
    if run is None:
        return labels
    final: RenderableType = layout.note("no final table yet: the search has not ended")
    if table.rows:
        final = layout.section("on held-out tasks and people", table_view(table, scoring.rules))
    return layout.page([labels, elites_view(replace(elites(archive, run.id), scoring="")), final])


def _counts(archive: Archive, found: Mapping[str, Any], run: Run | None) -> list[tuple[str, str]]:
    """Labels and values of the archive and of what it holds."""
    rows = [
        ("archive", f"{os.fspath(archive.path)} (schema {found['schema']})"),
        ("domain", f"{found['domain'] or '-'}, {layout.count(found['runs'], 'run')}"),
    ]
    if run is not None and "profiles_used" in run.settings:
        rows.append(("profiles", run.settings["profiles_used"]))
    rows.append(("holds", ", ".join(layout.count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode"))))
    rows.append(("digest", found["digest"]))
    sides = archive.refinements().people()
    people = len({one.person for one in sides})
    if people:
        rows.append(("refined", f"{layout.count(len(sides), 'profile')} of {'1 person' if people == 1 else f'{people:,} people'}"))
    if found["screened"]:
        rows.append(("screened", f"{layout.count(found['screened'], 'proposal')} played by a stand-in, not by the user's model"))
    return rows

"""``archive summary``."""

from __future__ import annotations

import os
from dataclasses import replace

from rich.console import RenderableType

from personaevo.archive import Archive
from personaevo.inspect import layout
from personaevo.inspect.niches import elites, elites_view
from personaevo.inspect.scoring import notes
from personaevo.inspect.table import table_view
from personaevo.records import FinalTable, Scoring


def summary_view(archive: Archive) -> RenderableType:
    """Counts, what it was scored by, the elite of each cell, the final table if the search has ended."""
    found = archive.summary()
    holds = ", ".join(layout.count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode"))
    sides = archive.refinements().people()
    people = len({one.person for one in sides})
    who = "1 person" if people == 1 else f"{people:,} people"
    left_out = layout.count(found["screened"], "proposal")
    screened = [("screened", layout.text(f"{left_out} played by a stand-in, not by the user's model"))] if found["screened"] else []
    run = archive.run() if found["runs"] else None
    used = [("profiles", layout.text(run.settings["profiles_used"]))] if run and "profiles_used" in run.settings else []
    refined = [("refined", layout.text(f"{layout.count(len(sides), 'profile')} of {who}"))] if people else []
    table, scoring = (archive.final_table(run.id), archive.scoring(run.id)) if run else (FinalTable(), Scoring({}, ()))
    how = notes(run, scoring, "test" if table.rows else "train") if run else ()
    head = layout.labels(
        [
            ("archive", layout.text(f"{os.fspath(archive.path)} (schema {found['schema']})")),
            ("domain", layout.text(f"{found['domain'] or '-'}, {layout.count(found['runs'], 'run')}")),
            *used,
            ("holds", layout.text(holds)),
            ("digest", layout.text(found["digest"])),
            *refined,
            *screened,
            *((label, layout.text(words)) for label, words in how),
        ]
    )
    if run is None:
        return head
    final = [layout.section("on held-out tasks and people", table_view(table, scoring.rules))] if table.rows else []
    unfinished = [] if table.rows else [layout.note("no final table yet: the search has not ended")]
    return layout.page([head, elites_view(replace(elites(archive, run.id), scoring="")), *final, *unfinished])

"""``archive summary``."""

from __future__ import annotations

import os

from rich.console import RenderableType

from personaevo.archive import Archive
from personaevo.inspect import layout
from personaevo.inspect.elites import elites, elites_view
from personaevo.inspect.table import table_view


def summary_view(archive: Archive) -> RenderableType:
    """Counts, the elite of each cell, the final table if the search has ended."""
    found = archive.summary()
    holds = ", ".join(layout.count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode"))
    sides = archive.refinements().people()
    people = len({one.person for one in sides})
    who = "1 person" if people == 1 else f"{people:,} people"
    run = archive.run() if found["runs"] else None
    used = [("profiles", layout.text(run.settings["profiles_used"]))] if run and "profiles_used" in run.settings else []
    refined = [("refined", layout.text(f"{layout.count(len(sides), 'profile')} of {who}"))] if people else []
    head = layout.labels(
        [
            ("archive", layout.text(f"{os.fspath(archive.path)} (schema {found['schema']})")),
            ("domain", layout.text(f"{found['domain'] or '-'}, {layout.count(found['runs'], 'run')}")),
            *used,
            ("holds", layout.text(holds)),
            ("digest", layout.text(found["digest"])),
            *refined,
        ]
    )
    if run is None:
        return head
    table = archive.table(run.id)
    final = [layout.section("on held-out tasks and people", table_view(table))] if table else []
    unfinished = [] if table else [layout.note("no final table yet: the search has not ended")]
    return layout.page([head, elites_view(elites(archive, run.id)), *final, *unfinished])

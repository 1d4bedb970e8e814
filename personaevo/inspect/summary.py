"""``archive summary``. Stored text never reaches a terminal raw (``text.plain``)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from personaevo.archive import Archive, Elite
from personaevo.inspect.table import table_text
from personaevo.inspect.words import SHORT_ID, count
from personaevo.records import Run
from personaevo.text import one_line


def summary_text(archive: Archive) -> str:
    """``archive summary``: counts, the elite of each cell, the final table if the search has ended."""
    found = archive.summary()
    cells, lines = found["cells"], [f"archive   {one_line(os.fspath(archive.path))} (schema {found['schema']})"]
    lines += [
        f"domain    {one_line(found['domain'] or '-')}, {count(found['runs'], 'run')}",
        "holds     " + ", ".join(count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode")),
        f"cells     {cells['held']} of {cells['total']} held, with {cells['mass']:.0%} of people; QD score {found['qd_score']:.3f}",
        f"digest    {found['digest']}",
    ]
    if not found["runs"]:
        return "\n".join(lines)
    run = archive.run()
    lines += ["", *_elite_lines(run, archive.elites(run.id))]
    table = archive.table(run.id)
    lines += ["", "on held-out tasks and people:", table_text(table)] if table else ["", "no final table yet: the search has not ended"]
    return "\n".join(lines)


def _elite_lines(run: Run, elites: Sequence[Elite]) -> Iterator[str]:
    yield f"{'cell':>4}  {'people':>6}  {'score':>11}  {'elite':12}  people there are"
    by_cell = {elite.cell: elite for elite in elites}
    for cell in run.cells:
        elite = by_cell.get(cell["cell"])
        score = f"{elite.score:.2f} ± {elite.se:.2f}" if elite else "-"
        program = one_line(elite.program_id)[:SHORT_ID] if elite else "-"
        yield f"{cell['cell']:>4}  {cell['mass']:>6.0%}  {score:>11}  {program:12}  {one_line(str(cell['name']))}"
    yield "      (score ± its standard error)"

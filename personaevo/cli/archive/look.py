"""``archive summary`` and ``archive show``."""

from __future__ import annotations

from pathlib import Path

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import show, show_json
from personaevo.cli.shared import PATH, as_json, debuggable


@archive.command()
@click.argument("file", type=PATH, metavar="ARCHIVE")
@as_json
@debuggable
def summary(file: Path, as_json: bool) -> None:
    """What it holds: programs, cells and their elites, the final table."""
    from personaevo.archive import Archive
    from personaevo.inspect import summary_text

    with Archive.read(file) as opened:
        if as_json:
            show_json(opened.summary())
        else:
            show(summary_text(opened))


@archive.command("show")
@click.argument("file", type=PATH, metavar="ARCHIVE")
@click.argument("program", metavar="[ID]", required=False)
@as_json
@debuggable
def show_program(file: Path, program: str | None, as_json: bool) -> None:
    """One program in full: source, scores, cells, personas, its best and worst dialogue.

    ID may be the beginning of an id. Without one, the best program of the final table, or of all so far.
    """
    from personaevo.archive import Archive
    from personaevo.inspect import best_id, program_text

    with Archive.read(file) as opened:
        wanted = program or best_id(opened)
        if as_json:
            show_json(opened.program(wanted))
        else:
            show(program_text(opened, wanted))

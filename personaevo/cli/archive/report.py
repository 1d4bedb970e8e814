"""``archive report``: write an HTML report."""

from __future__ import annotations

from pathlib import Path

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, archive_file, as_json, debuggable


@archive.command()
@archive_file
@click.option("-o", "--out", type=PATH, metavar="FILE.html", help="File to write (default: the archive's name with .html, in this folder).")
@click.option("--run", "run_id", type=click.IntRange(min=1), metavar="N", help="Number of the run (default: the latest).")
@click.option("--human", type=PATH, metavar="FILE", help="The file of people, if the search was given one with --human.")
@click.option("--open", "show_it", is_flag=True, help="Open the page in the browser.")
@as_json
@debuggable
def report(file: Path, out: Path | None, run_id: int | None, human: Path | None, show_it: bool, as_json: bool) -> None:
    """Write one self-contained HTML page: result, cells, progress, behaviors, programs, dialogues, costs. It needs no network."""
    from personaevo.archive import Archive
    from personaevo.report import gather, page, write

    place = out or Path(file.name).with_suffix(".html")
    with Archive.read(file) as opened:
        material = gather(opened, run_id, human)
    text = page(material)
    write(text, place)
    size = len(text.encode())
    for note in material.compared.missing:
        say(f"Note: {note}")
    if as_json:
        show_json({"page": str(place), "bytes": size, "run": material.run.id, "candidates": len(material.commits)})
    else:
        show(f"Wrote {place} ({size / 1e6:.1f} MB): open it in a browser")
    if show_it:
        click.launch(place.resolve().as_uri())

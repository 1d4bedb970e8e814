"""``archive report``."""

from __future__ import annotations

from pathlib import Path

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, archive_file, as_json, debuggable


@archive.command()
@archive_file
@click.option("-o", "--out", type=PATH, metavar="FILE.html", help="Where to write it (default: the archive's name with .html, here).")
@click.option("--run", "run_id", type=click.IntRange(min=1), metavar="N", help="The run to report (default: the latest).")
@click.option("--human", type=PATH, metavar="FILE", help="The people of the run, if its search was given a file of them.")
@click.option("--open", "show_it", is_flag=True, help="Open it in the browser.")
@as_json
@debuggable
def report(file: Path, out: Path | None, run_id: int | None, human: Path | None, show_it: bool, as_json: bool) -> None:
    """Write one HTML page: cells, people and personas, progress, behaviors, programs, dialogues, costs. It needs no network."""
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

"""Commands that show an archive: ``summary``, ``elites``, ``show``, ``lineage``, ``diff``, ``profiles``, ``query`` and ``report``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import click

from personaevo.cli.shared import PATH, archive_file, as_json, debuggable, say, show, show_json, show_view


@click.group()
def archive() -> None:
    """Inspect, check and convert archives. Reading works also while a search writes the archive."""


_id = click.argument("program", metavar="[ID]", required=False)
_run = click.option("--run", "run_id", type=click.IntRange(min=1), metavar="N", help="Number of the run (default: the latest).")


@archive.command()
@archive_file
@as_json
@debuggable
def summary(file: Path, as_json: bool) -> None:
    """Show a summary: programs, cells and their elites, and the final table."""
    from personaevo.archive import Archive
    from personaevo.views.elites import summary_view

    with Archive.read(file) as opened:
        if as_json:
            show_json(opened.summary())
        else:
            show_view(summary_view(opened))


@archive.command("elites")
@archive_file
@_run
@as_json
@debuggable
def show_elites(file: Path, run_id: int | None, as_json: bool) -> None:
    """Show every cell: its behavior, its share of people, and its elite (the best program)."""
    from personaevo.archive import Archive
    from personaevo.views.elites import elites, elites_object, elites_view

    with Archive.read(file) as opened:
        found = elites(opened, run_id)
    if as_json:
        show_json(elites_object(found))
    else:
        show_view(elites_view(found))


@archive.command("show")
@archive_file
@_id
@_run
@as_json
@debuggable
def show_program(file: Path, program: str | None, run_id: int | None, as_json: bool) -> None:
    """Show one program in full: source, scores, cells, remarks, personas, its best and worst dialogue, and costs.

    ID is an id or its beginning, or cell:3 for the elite of cell 3. Default: the best program of the final table, or the best so far.
    """
    from personaevo.archive import Archive
    from personaevo.views.lineage import find
    from personaevo.views.program import program_details, program_view

    with Archive.read(file) as opened:
        found = program_details(opened, find(opened, program, run_id)[1])
    if as_json:
        show_json(found.as_object())
    else:
        show_view(program_view(found))


@archive.command()
@archive_file
@_id
@_run
@click.option("--descendants", is_flag=True, help="Show its descendants in place of its ancestors.")
@as_json
@debuggable
def lineage(file: Path, program: str | None, run_id: int | None, descendants: bool, as_json: bool) -> None:
    """Show the lineage of a program: its ancestors from the seed program on, and the gain of each step.

    ID as for 'show'. A gain is the difference of two search scores; gains within noise are marked.
    """
    from personaevo.archive import Archive
    from personaevo.views.lineage import Lineage, descendants_view, find, trunk_view

    with Archive.read(file) as opened:
        run, wanted = find(opened, program, run_id)
        known = Lineage.of(opened, run.id)
    if as_json:
        steps = known.below(wanted) if descendants else known.trunk(wanted)
        show_json({"run": run.id, "program": wanted, "steps": [step.as_object() for step in steps]})
    else:
        show_view(descendants_view(known, wanted) if descendants else trunk_view(known, wanted))


@archive.command()
@archive_file
@click.argument("program", metavar="A")
@click.argument("base", metavar="[B]", required=False)
@_run
@as_json
@debuggable
def diff(file: Path, program: str, base: str | None, run_id: int | None, as_json: bool) -> None:
    """Show the changes from program B (default: the first parent of A) to program A: text, behavior, objectives.

    A and B are given like ID for 'show'.
    """
    from personaevo.archive import Archive
    from personaevo.views.diff import difference, difference_object, difference_view

    with Archive.read(file) as opened:
        found = difference(opened, program, base, run_id)
    if as_json:
        show_json(difference_object(found))
    else:
        show_view(difference_view(found))


@archive.command()
@archive_file
@click.argument("person", metavar="[PERSON]", required=False)
@as_json
@debuggable
def profiles(file: Path, person: str | None, as_json: bool) -> None:
    """Show refined profiles: a table of all people, or one PERSON with every version and its changes.

    PERSON is a name or its beginning.
    """
    from personaevo.archive import Archive
    from personaevo.views.refinement import people_view, person_view, refined, refined_object

    with Archive.read(file) as opened:
        found = refined(opened, person)
    if as_json:
        show_json(refined_object(found))
    elif person is None:
        show_view(people_view(found))
    else:
        for one in found:
            show_view(person_view(one))


_NAME = re.compile(r"[\w-]+")
_LIMIT = 1000


@archive.command()
@archive_file
@click.argument("query", metavar="[NAME|SQL]", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="Output format.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=_LIMIT, show_default=True, metavar="N", help="Print at most N rows.")
@as_json
@debuggable
def query(file: Path, query: str | None, form: Literal["table", "json", "csv"], limit: int, as_json: bool) -> None:
    """Run a named query, or your own read-only SQL. Without either, list the named queries.

    Tables and views are described in archive/migrations; the query DESCRIBE elites lists the columns of the view elites.
    """
    from personaevo.archive import Archive, named_queries, named_query
    from personaevo.cli.archive.query_result import QueryResult
    from personaevo.views.layout import labels, text

    if query is None:
        if as_json:
            return show_json({"queries": named_queries()})
        return show_view(labels((name, text(shows)) for name, shows in named_queries().items()))
    sql = named_query(query) if _NAME.fullmatch(query) else query
    if sql is None:
        raise click.BadParameter(f"no query is called '{query}'; there are {', '.join(named_queries())}", param_hint="NAME")
    with Archive.read(file) as opened:
        columns, rows = opened.query(sql, limit=limit + 1)
    result, cut = QueryResult(columns, rows[:limit]), len(rows) > limit
    if as_json or form == "json":
        show_json({**result.as_object(), "cut": cut})
    elif form == "csv":
        sys.stdout.write(result.as_csv())
    else:
        show_view(result)
    if cut:
        say(f"only the first {limit:,} rows are shown: there are more (--limit)")
    return None


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
    from personaevo.report import gather, pages, write

    place = out or Path(file.name).with_suffix(".html")
    with Archive.read(file) as opened:
        material = gather(opened, run_id, human)
    text = pages(material)
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

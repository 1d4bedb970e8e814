"""``archive summary``, ``elites``, ``show``, ``lineage``, ``diff`` and ``profiles``."""

from __future__ import annotations

from pathlib import Path

import click

from personaevo.cli.archive.group import archive
from personaevo.cli.output import show_json, show_view
from personaevo.cli.shared import archive_file, as_json, debuggable

_id = click.argument("program", metavar="[ID]", required=False)
_run = click.option("--run", "run_id", type=click.IntRange(min=1), metavar="N", help="Number of the run (default: the latest).")


@archive.command()
@archive_file
@as_json
@debuggable
def summary(file: Path, as_json: bool) -> None:
    """Show a summary: programs, cells and their elites, and the final table."""
    from personaevo.archive import Archive
    from personaevo.inspect.summary import summary_view

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
    from personaevo.inspect.niches import elites, elites_object, elites_view

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
    from personaevo.inspect.finding import find
    from personaevo.inspect.program import program_details, program_view

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
    from personaevo.inspect.finding import find
    from personaevo.inspect.lineage import Lineage
    from personaevo.inspect.tree import descendants_view, trunk_view

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
    from personaevo.inspect.diff import difference, difference_object, difference_view

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
    from personaevo.inspect.refinement import people_view, person_view, refined, refined_object

    with Archive.read(file) as opened:
        found = refined(opened, person)
    if as_json:
        show_json(refined_object(found))
    elif person is None:
        show_view(people_view(found))
    else:
        for one in found:
            show_view(person_view(one))

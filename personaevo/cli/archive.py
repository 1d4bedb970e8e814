"""``personaevo archive``. Importing the modules of the commands adds them to the group."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from personaevo.cli.shared import PATH, archive_file, as_json, debuggable, say, show, show_json, show_view
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.archive import TableKind
    from personaevo.verify import Verification


__all__ = [
    "archive", "compact", "diff", "export", "lineage", "merge", "profiles", "query", "report", "show_elites", "show_program", "summary",
    "verify",
]  # fmt: skip


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
    from personaevo.views.elites import program_details, program_view
    from personaevo.views.lineage import find

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
    from personaevo.views.layout import QueryResult, labels, text

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


_SHOWN, _SHOWN_JSON = 20, 1000  # findings
_MAX_VALUE = 160  # characters of a found or expected value


@archive.command()
@archive_file
@as_json
@debuggable
def verify(file: Path, as_json: bool) -> None:
    """Recompute and check ids, references, digests, fingerprints and scores.

    The exit code is 1 if anything disagrees. Values that cannot be recomputed are listed, and do not count as disagreements.
    """
    from personaevo.verify import verify

    found = verify(file)
    if as_json:
        show_json({
            "archive": str(file), "ok": not found.findings, "checked": dict(found.checked), "unchecked": list(found.unchecked),
            "disagreements": len(found.findings), "findings": [asdict(one) for one in found.findings[:_SHOWN_JSON]],
        })  # fmt: skip
    else:
        show(_verification(found))
    if found.findings:
        raise click.exceptions.Exit(1)


def _verification(found: Verification) -> str:
    from personaevo.views.layout import count

    checked = ", ".join(count(number, name.removesuffix("s")) for name, number in found.checked.items())
    lines = []
    for one in found.findings[:_SHOWN]:
        values = [text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…" for text in map(one_line, (one.found, one.expected))]
        lines.append(f"{one.kind}: {one_line(one.where)}\n  found     {values[0]}\n  expected  {values[1]}")
    if len(found.findings) > _SHOWN:
        lines.append(f"… and {len(found.findings) - _SHOWN:,} more (--json shows up to {_SHOWN_JSON:,})")
    lines += [f"not checked: {one_line(why)}" for why in found.unchecked]
    lines.append(f"checked: {checked or 'nothing'}")
    lines.append(count(len(found.findings), "disagreement") if found.findings else "no disagreements")
    return "\n".join(lines)


@archive.command()
@click.argument("out", type=PATH, metavar="OUT")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@as_json
@debuggable
def merge(out: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Merge the runs of several archives into the new archive OUT, in the order given.

    A run that is in several files is stored once. Refined profiles are merged too, if their refinements have the same settings. The files
    are not changed.
    """
    from personaevo.archive import Archive, merge
    from personaevo.views.layout import count

    runs = merge(out, files)
    for run in runs:
        if not run.taken:
            say(f"run {run.run} of {run.file} is run {run.number}, which another file has too: stored once")
    with Archive.read(out) as merged:
        summary = merged.summary()
    if as_json:
        rows = [{"file": str(run.file), "run": run.run, "number": run.number, "taken": run.taken} for run in runs]
        show_json({"archive": str(out), "runs": rows, "summary": summary})
    else:
        counts = ", ".join(count(summary[f"{noun}s"], noun) for noun in ("run", "program", "evaluation", "episode"))
        show(f"{one_line(str(out))}: {counts}; digest {summary['digest']}")


@archive.command()
@click.argument("file", type=PATH, metavar="ARCHIVE")
@click.option("--elites", is_flag=True, help="Keep dialogues and personas only of elites, the final table and the seed program.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write a new archive, and do not change this one.")
@as_json
@debuggable
def compact(file: Path, elites: bool, out: Path | None, as_json: bool) -> None:
    """Rewrite an archive without unused space. Digests do not change."""
    from personaevo.archive import compact

    done = compact(file, out, elites=elites)
    if as_json:
        show_json({"archive": str(out or file), **asdict(done)})
        return
    dropped = f"; {done.episodes:,} dialogues and {done.personas:,} personas left out" if elites else ""
    show(f"{one_line(str(out or file))}: {done.before / 1e6:.2f} MB before, {done.after / 1e6:.2f} MB now{dropped}")


@archive.command()
@archive_file
@click.option("-o", "--out", type=PATH, required=True, metavar="FOLDER", help="A new or empty folder.")
@click.option("--programs", "programs", is_flag=True, help="Write programs as programs/ID.py.")
@click.option("--personas", "personas", is_flag=True, help="Write personas as JSON lines.")
@click.option("--dialogues", "dialogues", is_flag=True, help="Write completed dialogues with features as JSON lines that --human reads.")
@click.option("--tables", type=click.Choice(["parquet", "csv"]), help="Write all tables and views in this format.")
@click.option("--elites", is_flag=True, help="Write only programs, personas and dialogues of elites and the final table.")
@as_json
@debuggable
def export(
    file: Path, out: Path, programs: bool, personas: bool, dialogues: bool, tables: TableKind | None, elites: bool, as_json: bool
) -> None:
    """Export an archive to files for other software. Without options: programs, personas and dialogues."""
    from personaevo.export import PARTS, export
    from personaevo.views.layout import count

    named = {"programs": programs, "personas": personas, "dialogues": dialogues}
    parts = [part for part in PARTS if named[part]] or ([] if tables else PARTS)
    counts = export(file, out, parts, tables=tables, elites=elites)
    if as_json:
        show_json({"folder": str(out), **counts})
    else:
        show(f"{one_line(str(out))}: " + ", ".join(count(number, name.removesuffix("s")) for name, number in counts.items()))

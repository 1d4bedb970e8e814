"""Commands that check and convert archives: ``verify``, ``merge``, ``compact`` and ``export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from personaevo.cli.archive.commands import archive
from personaevo.cli.shared import PATH, archive_file, as_json, debuggable, say, show, show_json
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.archive import TableKind
    from personaevo.verify import Verification


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
    from personaevo.archive import Archive, rewrite
    from personaevo.views.layout import count

    runs = rewrite(out, files)
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
    from personaevo.archive import rewrite

    done = rewrite(file, out, elites=elites)
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

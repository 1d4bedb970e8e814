"""``personaevo domain``: domains of one's own."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click

from personaevo.cli.output import show
from personaevo.cli.shared import PATH, debuggable, program_name

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@click.group()
def domain() -> None:
    """Make a domain of your own."""


@domain.command()
@click.argument("name")
@click.option("--to", type=PATH, default=Path(), metavar="FOLDER", help="Where to put its folder (default: here).")
@debuggable
def new(name: str, to: Path) -> None:
    """Write a working skeleton of a domain into a new folder NAME.

    It holds the definition, eight tasks and a note on what to change, and can be searched at once.
    """
    from personaevo.errors import InputError

    _check(name)
    folder = to / name
    if folder.exists():
        raise InputError(f"{folder} exists: give another name, or another place with --to FOLDER")
    try:
        _write(name, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    place = shlex.quote(str(folder) if len(folder.parts) > 1 else f"./{folder}")
    show(f"Wrote {folder}: domain.toml, tasks.jsonl, README.md. Change them, then search with people of your own:")
    show(f"  {program_name()} search --domain {place} --human DIALOGUES.jsonl")


def _check(name: str) -> None:
    from personaevo.definitions import domain_names
    from personaevo.errors import InputError

    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot name a domain: expected a lower-case letter, then at most 39 letters, digits, '-' or '_'")
    if name in domain_names():
        raise InputError(f"domain '{name}' is installed: give another name")


def _write(name: str, folder: Path) -> None:
    """The skeleton's files with the name filled in."""
    from personaevo import content

    folder.mkdir()
    for file in sorted((content.root("seeds") / "new_domain").iterdir()):
        text = file.read_text(encoding="utf-8").replace("NEW_DOMAIN", name)
        (folder / file.name).write_text(text, encoding="utf-8")

"""Commands that prepare and check: ``personaevo domain``, ``personaevo reference`` and ``personaevo doctor``."""

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
    """Create a domain of your own."""


@domain.command()
@click.argument("name")
@click.option("--to", type=PATH, default=Path(), metavar="FOLDER", help="Parent folder (default: the current one).")
@debuggable
def new(name: str, to: Path) -> None:
    """Write a working skeleton of a domain into a new folder NAME.

    It contains the definition, eight tasks and a README on what to change, and can be searched at once.
    """
    from personaevo import content
    from personaevo.errors import InputError

    _check_name(name)
    folder = to / name
    if folder.exists():
        raise InputError(f"{folder} exists: give another name, or another place with --to FOLDER")
    try:
        folder.mkdir()
        for file in sorted((content.root("seeds") / "new_domain").iterdir()):
            text = file.read_text(encoding="utf-8").replace("NEW_DOMAIN", name)
            (folder / file.name).write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    place = shlex.quote(str(folder) if len(folder.parts) > 1 else f"./{folder}")
    show(f"Wrote {folder}: domain.toml, tasks.jsonl, README.md. Change them, then search with people of your own:")
    show(f"  {program_name()} search --domain {place} --human DIALOGUES.jsonl")


def _check_name(name: str) -> None:
    from personaevo.definitions import domain_names
    from personaevo.errors import InputError

    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is not a domain name: expected a lower-case letter, then at most 39 letters, digits, '-' or '_'")
    if name in domain_names():
        raise InputError(f"domain '{name}' is installed: give another name")

"""Results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from personaevo.text import one_line


def say(text: str) -> None:
    """One line to stderr, safe for a terminal."""
    click.echo(one_line(text), err=True)


def show(text: str) -> None:
    """A result to stdout; stored text in it has been made plain."""
    click.echo(text)


def show_json(value: Any) -> None:
    """One JSON object to stdout, in ASCII, so that it is safe for terminals and pipes alike."""
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")

"""Results to stdout, everything else to stderr. Whatever is shown is made safe for a terminal here, whoever wrote it."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from personaevo.text import one_line, plain, without_secrets

if TYPE_CHECKING:
    from rich.console import RenderableType

_NARROWEST = 40  # columns: less is taken for this
_NAMES_OF_SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL")


def say(text: str) -> None:
    """One line to stderr."""
    click.echo(one_line(_discreet(text)), err=True)


def say_lines(text: str) -> None:
    """Several lines to stderr."""
    click.echo(plain(_discreet(text)), err=True)


def show(text: str) -> None:
    """A result to stdout. Stored text in it that must not bring lines of its own has been made ``one_line`` before."""
    click.echo(plain(text))


def show_view(view: RenderableType) -> None:
    """A page of rich to stdout, as wide as the terminal (else ``COLUMNS``, or 80), in colors on a terminal without ``NO_COLOR``.

    Whatever its parts were made of: no text in it is read as markup, and none of it reaches the terminal but as ``plain``.
    """
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    console.width = max(console.width, _NARROWEST)
    safe = [Segment(plain(segment.text), segment.style) for segment in console.render(view)]
    with console.capture() as captured:
        console.print(Segments(safe), end="", crop=False)
    sys.stdout.write(captured.get())


def show_json(value: Any) -> None:
    """One JSON object to stdout, in printable ASCII, so that it is safe for terminals and pipes alike."""
    text = json.dumps(value, indent=2, allow_nan=False)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def _discreet(text: str) -> str:
    """Without passwords in addresses, and without what the environment holds under names like API_KEY or FOO_TOKEN."""
    return without_secrets(text, [value for name, value in os.environ.items() if _NAMES_OF_SECRETS.search(name.upper())])

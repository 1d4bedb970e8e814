"""Output, options and helpers that commands share.

Results go to stdout, everything else to stderr. All text is made safe for a terminal here, as it may come from elsewhere.
"""

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

_MIN_WIDTH = 40  # characters; narrower terminals are treated as this wide
_NAMES_OF_SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL")


def say(text: str) -> None:
    """Print one line to stderr."""
    click.echo(one_line(_redacted(text)), err=True)


def say_lines(text: str) -> None:
    """Print several lines to stderr."""
    click.echo(plain(_redacted(text)), err=True)


def show(text: str) -> None:
    """Print a result to stdout. Callers make stored text ``one_line`` where it must not add lines."""
    click.echo(plain(text))


def show_view(view: RenderableType) -> None:
    """Print a rich renderable to stdout, as wide as the terminal (else ``COLUMNS``, or 80), colored on a terminal without ``NO_COLOR``.

    No text in it is read as markup, and all of it is made ``plain``.
    """
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    console.width = max(console.width, _MIN_WIDTH)
    safe = [Segment(plain(segment.text), segment.style) for segment in console.render(view)]
    with console.capture() as captured:
        console.print(Segments(safe), end="", crop=False)
    sys.stdout.write(captured.get())


def show_json(value: Any) -> None:
    """Print one JSON object to stdout in printable ASCII, which is safe for terminals and pipes."""
    text = json.dumps(value, indent=2, allow_nan=False)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def _redacted(text: str) -> str:
    """Remove passwords in addresses, and values of environment variables such as API_KEY or FOO_TOKEN."""
    return without_secrets(text, [value for name, value in os.environ.items() if _NAMES_OF_SECRETS.search(name.upper())])

"""Building blocks of terminal pages: rich renderables that fit any width. All text goes through ``text``, so none is read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from personaevo.text import one_line, plain

SHORT_ID = 12  # characters of an id that are shown
_LONGEST_NAME = 120  # characters of a name in a table
HEADING, FAINT, GOOD, BAD, KEY = "bold", "dim", "green", "red", "cyan"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def text(value: object, style: str = "") -> Text:
    """Show any value as one line without control characters."""
    return Text(one_line(str(value)), style=style)


def lines(value: str, style: str = "") -> Text:
    """Show text of several lines without control characters."""
    return Text(plain(value).expandtabs(4), style=style)


def short_id(program_id: str) -> Text:
    """Show the beginning of an id, as the commands take it."""
    return text(program_id[:SHORT_ID], KEY)


def name(value: object) -> Text:
    """Show a name in a table, shortened to 120 characters."""
    shown = one_line(str(value))
    return Text(shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…")


def operator(value: str) -> Text:
    """Show an operator, or a chain of operators, in words for a narrow column."""
    return name(value.replace("+", " + ").replace("_", " "))


def table(*columns: str, words: Iterable[str] = (), gap: int = 2) -> Table:
    """Make an empty table. Columns hold numbers, right-aligned and never wrapped; those in ``words`` hold text and wrap."""
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=HEADING, show_edge=False)
    wordy = set(words)
    for column in columns:
        if column in wordy:
            made.add_column(Text(column), overflow="fold")
        else:
            made.add_column(Text(column), justify="right", no_wrap=True)
    return made


def code_line(value: str, style: str = "") -> Text:
    """Show a line of code without wrapping, so that it can be copied."""
    return Text(plain(value), style=style, no_wrap=True, overflow="ignore", end="\n")


def one_row(value: Text) -> Text:
    """Make a row that is truncated at the width of the terminal."""
    value.no_wrap, value.overflow = True, "ellipsis"
    return value


def figure(value: float, sign: str = "") -> str:
    """Write a mean in any unit with three digits."""
    return f"{value:{sign}.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:{sign}.4f}"


def verdict(low: float | None, high: float | None) -> str:
    """Return the color of a difference; empty if its interval contains 0."""
    if low is None or high is None or low <= 0 <= high:
        return ""
    return GOOD if low > 0 else BAD


def labels(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Make a two-column grid of labels and values."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for label, value in rows:
        made.add_row(Text(label, style=FAINT), value)
    return made


def section(title: str, *content: RenderableType, style: str = "") -> RenderableType:
    """Make a titled section with indented content."""
    return Group(text(title, f"{HEADING} {style}".strip()), *(Padding(one, (0, 0, 0, 2)) for one in content))


def note(words: str) -> Text:
    """Make a note under a table."""
    return Text(words, style=FAINT)


def page(parts: Sequence[RenderableType]) -> RenderableType:
    """Stack parts with a blank line between them."""
    return Group(*(piece for index, part in enumerate(parts) for piece in ([Text(""), part] if index else [part])))


def as_text(view: RenderableType, width: int) -> str:
    """Render a page as plain text without colors."""
    console = Console(file=StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(view)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def code(source: str) -> RenderableType:
    """Show Python source with highlighting and without wrapping (see ``code_line``)."""
    highlighted = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(plain(source.rstrip()))
    highlighted.no_wrap, highlighted.overflow = True, "ignore"
    return highlighted

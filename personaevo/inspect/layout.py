"""What pages on a terminal are made of: pieces of rich that fit any width. All text goes through ``text``, and is never read as markup."""

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
    """A number and what it counts: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def text(value: object, style: str = "") -> Text:
    """Any value as one line of data, whatever it holds."""
    return Text(one_line(str(value)), style=style)


def lines(value: str, style: str = "") -> Text:
    """Data of several lines."""
    return Text(plain(value).expandtabs(4), style=style)


def short_id(program_id: str) -> Text:
    """The beginning of an id, as the commands take it."""
    return text(program_id[:SHORT_ID], KEY)


def name(value: object) -> Text:
    """A name in a table."""
    shown = one_line(str(value))
    return Text(shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…")


def operator(value: str) -> Text:
    """An operator, or several in a row, in words that fit a narrow column."""
    return name(value.replace("+", " + ").replace("_", " "))


def table(*columns: str, words: Iterable[str] = (), gap: int = 2) -> Table:
    """An empty table. Columns hold figures, set flush right and never broken; those among ``words`` give way where there is no room."""
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=HEADING, show_edge=False)
    wordy = set(words)
    for column in columns:
        if column in wordy:
            made.add_column(Text(column), overflow="fold")
        else:
            made.add_column(Text(column), justify="right", no_wrap=True)
    return made


def code_line(value: str, style: str = "") -> Text:
    """A line of code, left whole: whoever copies it gets the line that was stored."""
    return Text(plain(value), style=style, no_wrap=True, overflow="ignore", end="\n")


def one_row(value: Text) -> Text:
    """A row that is cut where there is no room for it."""
    value.no_wrap, value.overflow = True, "ellipsis"
    return value


def figure(value: float, sign: str = "") -> str:
    """A mean in whatever unit, to three digits."""
    return f"{value:{sign}.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:{sign}.4f}"


def verdict(low: float | None, high: float | None) -> str:
    """The color of a difference: only one whose interval leaves out 0 has one."""
    if low is None or high is None or low <= 0 <= high:
        return ""
    return GOOD if low > 0 else BAD


def labels(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Labels and what they say, one under the other."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for label, said in rows:
        made.add_row(Text(label, style=FAINT), said)
    return made


def section(title: str, *content: RenderableType, style: str = "") -> RenderableType:
    """A titled part of a page, its content indented."""
    return Group(text(title, f"{HEADING} {style}".strip()), *(Padding(one, (0, 0, 0, 2)) for one in content))


def note(words: str) -> Text:
    """A remark under a table."""
    return Text(words, style=FAINT)


def page(parts: Sequence[RenderableType]) -> RenderableType:
    """Parts under one another with a blank line between them."""
    return Group(*(piece for index, part in enumerate(parts) for piece in ([Text(""), part] if index else [part])))


def as_text(view: RenderableType, width: int) -> str:
    """A page without colors, for places that take text only."""
    console = Console(file=StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(view)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def code(source: str) -> RenderableType:
    """A Python source in the colors of a terminal, its lines left whole (see ``code_line``)."""
    highlighted = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(plain(source.rstrip()))
    highlighted.no_wrap, highlighted.overflow = True, "ignore"
    return highlighted

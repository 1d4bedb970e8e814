"""Tables as notebooks show them. Every text is escaped: what a program or a person wrote is no markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_MOST_ROWS = 50


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """An HTML table. Numbers are aligned to the right; only the first 50 rows are shown."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_MOST_ROWS])
    more = f"<tr><td colspan='{len(header)}'>and {len(rows) - _MOST_ROWS:,} more</td></tr>" if len(rows) > _MOST_ROWS else ""
    above = f"<caption>{lines(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"


def lines(text: str) -> str:
    """Text with its line breaks."""
    return escape(text).replace("\n", "<br>")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td style='text-align:right'>{value:.3g}</td>"
    return f"<td>{lines(str(value))}</td>"

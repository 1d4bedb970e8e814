"""HTML tables for notebooks. Every text is escaped, since it may come from programs and people."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_MOST_ROWS = 50


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """An HTML table. Numbers are aligned to the right; only the first 50 rows are shown."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_MOST_ROWS])
    more = f"<tr><td colspan='{len(header)}'>and {len(rows) - _MOST_ROWS:,} more</td></tr>" if len(rows) > _MOST_ROWS else ""
    above = f"<caption>{_lines(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _cell(value: object) -> str:
    return f"<td style='text-align:right'>{value:.3g}</td>" if isinstance(value, float) else f"<td>{_lines(str(value))}</td>"

"""Small pieces of what is shown."""

from __future__ import annotations

SHORT_ID = 12  # characters of an id that are shown


def count(number: int, noun: str) -> str:
    """A number and what it counts: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

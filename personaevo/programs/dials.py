"""The installed dials, with the ranges that the sandbox checks."""

from __future__ import annotations

from personaevo import definitions
from personaevo.programs.personas import DialTable


def dial_table() -> DialTable:
    """The dials that programs may set, with their ranges: the listed dials and those of typing."""
    known = (*definitions.dials().values(), *definitions.typing_dials().values())
    return DialTable({dial.name: (dial.low, dial.high) for dial in known})

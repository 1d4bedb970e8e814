"""The installed dials as the sandbox checks them."""

from __future__ import annotations

from personaevo import definitions
from personaevo.programs.personas import DialTable


def dial_table() -> DialTable:
    """The dials that programs may set, as the sandbox checks them: those that are listed to them, and those of typing."""
    known = (*definitions.dials().values(), *definitions.typing_dials().values())
    return DialTable({dial.name: (dial.low, dial.high) for dial in known})

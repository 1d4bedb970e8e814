"""Protects secrets of a process (keys in its environment, prompts, replies) from core dumps and from other processes."""

from __future__ import annotations

import resource
import sys

_SET_DUMPABLE = 4  # prctl(2)


def close_process() -> None:
    """Disable core dumps of this process and its children. On Linux other processes of the same user cannot read it either
    (``/proc/PID/environ``, ptrace), until it executes another program. Never raises."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - slow to import, and this module is imported everywhere

        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)

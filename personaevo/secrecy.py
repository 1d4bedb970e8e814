"""Keeps what a process knows (keys in its environment, prompts, replies) out of core dumps and out of sight of other processes."""

from __future__ import annotations

import ctypes
import resource
import sys

_SET_DUMPABLE = 4  # prctl(2)


def close_process() -> None:
    """No core dump of this process or of any that it starts; on Linux, other processes of the same user cannot look into this one
    (``/proc/PID/environ``, ptrace) either. The latter lasts until it executes another program. Never raises."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)

"""Arrangements of walls: all of them, all but one, fewer and fewer, none."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from personaevo.programs import Sandbox, isolation, personas, sandbox
from tests.attacks.judge import DIALS, LATE, ROUNDS, Box
from tests.attacks.open import Open

WALL_SECONDS = 0.4
_LIMITS: dict[str, Any] = {"wall_seconds": WALL_SECONDS, "cpu_seconds": 4, "memory_mb": 160, "output_mb": 1}
CHILD = isolation.ALL
PARENT = ("deadline", "output", "token", "validation", "second run", "environment")
ALL, OPEN, _PATIENT = "all", "open", "no deadline, no output"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The walls of the child that stand, and the walls of the parent that do not. ``sandboxed`` is False where there is none at all."""

    name: str
    child: tuple[str, ...] = CHILD
    without: tuple[str, ...] = ()
    sandboxed: bool = True


def _peeled() -> Iterator[Arrangement]:
    """From the innermost outwards, one wall less each time."""
    for count in range(len(CHILD) - 2, -1, -1):
        yield Arrangement(_standing(count), CHILD[:count])


def _standing(count: int) -> str:
    """The name of the arrangement with the first ``count`` of the child's walls; the last one alone is taken down as "no seccomp"."""
    return {len(CHILD): ALL, len(CHILD) - 1: f"no {CHILD[-1]}", 0: "none of the child's"}.get(count, "only " + "+".join(CHILD[:count]))


ARRANGEMENTS = {
    arrangement.name: arrangement
    for arrangement in (
        Arrangement(ALL),
        *(Arrangement(f"no {wall}", tuple(name for name in CHILD if name != wall)) for wall in CHILD),
        *_peeled(),
        *(Arrangement(f"no {wall}", without=(wall,)) for wall in PARENT),
        Arrangement(_PATIENT, without=("deadline", "output")),
        Arrangement(OPEN, (), sandboxed=False),
    )
}
# wall → two arrangements that differ in it alone, with and without it. For the child's walls, those inside of it are down in both; but
# the clock that is not read from memory is asked of the kernel, so that wall needs seccomp.
PAIRS = {
    **{wall: (_standing(count + 1), _standing(count)) for count, wall in enumerate(CHILD)},
    **{wall: (ALL, f"no {wall}") for wall in ("clock", *PARENT)},
    "output": ("no deadline", _PATIENT),  # a flood takes longer than the deadline on a busy machine
}


class Record(dict[str, Any]):
    """A persona as it came, with what the sandbox looks at when it tries itself out."""

    @property
    def description(self) -> Any:
        return self["description"]


@contextlib.contextmanager
def standing(arrangement: Arrangement) -> Iterator[list[Box]]:
    """Boxes with this arrangement, one for each round of an attack."""
    with contextlib.ExitStack() as stack:
        boxes: list[Box] = []
        stack.enter_context(patch.dict(isolation.TIERS, {"kernel": arrangement.child}))
        limits = dict(_LIMITS)
        for wall in arrangement.without:
            _take_down(wall, limits, stack)
        for _ in ROUNDS:
            box = Sandbox(DIALS, **limits) if arrangement.sandboxed else Open(patience=1.0)
            stack.callback(box.close)
            if isinstance(box, Sandbox):
                box.__enter__()
            boxes.append(box)
        yield boxes


def _take_down(wall: str, limits: dict[str, Any], stack: contextlib.ExitStack) -> None:
    """Take one of the parent's walls down, for as long as the stack lasts."""
    if wall == "deadline":
        limits["wall_seconds"] = 1.2 * LATE
    if wall == "output":
        limits["output_mb"] = 100
    if wall == "token":
        stack.enter_context(patch.object(secrets, "token_hex", lambda size: "0" * 2 * size))
    if wall == "validation":
        stack.enter_context(patch.object(personas, "axes", lambda raw, dials: ()))
        stack.enter_context(patch.object(personas, "build", lambda records, n, axes, dials: _believed(records)))
        stack.enter_context(patch.object(sandbox, "decode", lambda body, what: json.loads(body)))
        stack.enter_context(patch.object(sandbox, "text", json.loads))
    if wall == "second run":
        stack.enter_context(patch.object(sandbox, "difference", lambda first, second, order: ""))
    if wall == "environment":
        stack.enter_context(patch.object(subprocess, "Popen", _inheriting))


def _believed(records: Any) -> Any:
    return [Record(record) if isinstance(record, dict) else record for record in records] if isinstance(records, list) else records


def _inheriting(*given: Any, popen: Any = subprocess.Popen, **named: Any) -> Any:
    """A process that inherits environment, folder and descriptors."""
    return popen(*given, **{**named, "env": None, "cwd": None, "close_fds": False})

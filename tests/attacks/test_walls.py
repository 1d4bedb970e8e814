"""No wall is decoration: each one stops attacks that nothing else stops. ``python -m benchmarks.walls`` shows all that it stops."""

from __future__ import annotations

import os

import pytest

from tests.attacks import trial
from tests.attacks.arrangements import PAIRS

# wall → attacks that get through when it alone is taken down (see ``PAIRS``)
STOPS = {
    "user": [
        "files: as root: read a private file",
        "files: as root: device node",
        "network: as root: raw socket",
        "signals: kill the server",
    ],
    "limits": ["processes: start: fork", "processes: start: exec", "memory: one block", "threads: thread"],
    "landlock": ["files: read: read with os.open", "files: write: delete", "network: TCP", "imports: sys of enum"],
    "clock": ["clock: local time"],
    "seccomp": ["network: UDP", "files: read: size of a file", "left behind: shared memory", "native: machine code: 32-bit socket"],
    "deadline": ["spoofing: silence: half a frame", "time: reading the channel"],
    "output": ["floods: one frame"],
    "token": ["spoofing: blind: frame with a guessed token"],
    "validation": ["spoofing: with the token: forged score", "spoofing: with the token: long reason"],
    "second run": ["state: counter", "entropy: random bytes of the start"],
    "environment": ["environment: memory above the stack", "network: all descriptors"],
}


def test_every_wall_is_tried() -> None:
    assert set(STOPS) == set(PAIRS)


@pytest.mark.parametrize("wall", PAIRS)
def test_what_a_wall_stops_gets_through_without_it(wall: str) -> None:
    if wall == "user" and os.geteuid() != 0:
        pytest.skip("an ordinary user's programs run as that user")
    with_it, without = PAIRS[wall]
    found = trial.run([with_it, without], STOPS[wall])
    assert set(found[with_it]) == set(STOPS[wall])
    assert [name for name, kinds in found[with_it].items() if kinds] == []
    slow = [name for name, kinds in found[without].items() if not kinds]  # on a busy machine the deadline may come before the harm
    for _ in range(3):
        slow = [name for name, kinds in trial.run([without], slow)[without].items() if not kinds] if slow else []
    assert slow == []

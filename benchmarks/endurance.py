"""Leak test of one sandbox over many runs: ``python -m benchmarks.endurance [--runs 10000] [--tier kernel]``.

Every twentieth program is hostile. At the end there may be no additional process, file descriptor, temporary file or semaphore, and at most
5 MB more memory, each compared with the state after a warm-up; and every failure must have a known reason. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from personaevo import content
from personaevo.programs import Sandbox
from personaevo.records import RunResult, Tier

GROWTH_MB = 5.0
WALL_SECONDS = 1.0
MEMORY_MB = 128
EVERY = 20
TASK = {"goal": "book a table", "facts": {"people": "2"}, "context": "", "domain": "service"}

# Kinds of failures by the beginning of their reason.
KINDS = {
    "rule": r"rule: ",
    "time": r"(processor )?time limit of ",
    "memory": r"memory limit of ",
    "output": r"output limit of ",
    "protocol": r"protocol: ",
    "crash": r"crash: ",
    "not the same twice": r"not deterministic: ",
    "contract": r"personas\[|generate's result|generate returned|AXES|generate\(\)",
    "refused by the system": r"(PermissionError|BlockingIOError|OSError|RuntimeError: can't start new thread)\b",
    "exception": r"\w+(Error|Exit|Interrupt)\b",
}
_DOOR = (
    'import enum\nos, ctypes = enum.sys.modules["os"], enum.sys.modules["ctypes"]\nAXES = []\ndef generate(task, n, rng, model=None):\n    '
)
_PERSONAS = "[{'description': %s} for _ in range(n)]"
_SPOOFED = "frame = b'!' + b'R' * 40\n    os.write(3, len(frame).to_bytes(4, 'big') + frame)\n    return []"
HOSTILE: dict[str, tuple[str, set[str]]] = {
    "loops": (_DOOR + "while True: pass", {"time"}),
    "loops as it loads": ("while True: pass", {"time"}),
    "a regular expression that never ends": ("import re\n" + _DOOR + "re.match('(a+)+$', 'a' * 60 + 'b')", {"time"}),
    "takes memory at once": (_DOOR + "return bytearray(10**10)", {"memory"}),
    "takes memory in parts": (_DOOR + "return [bytearray(2**24) for _ in range(10**6)]", {"memory", "time"}),
    "returns a flood": (_DOOR + "return ['x' * 1000] * 10**6", {"output"}),
    "floods the channel": (_DOOR + "os.write(3, b'x' * 10**6)\n    return []", {"output", "protocol"}),
    "writes a result itself": (_DOOR + _SPOOFED, {"protocol"}),
    "forks": (_DOOR + "while True: os.fork()", {"refused by the system"}),
    "starts threads": (_DOOR + "enum.sys.modules['_thread'].start_new_thread(print, ())", {"refused by the system"}),
    "exits": (_DOOR + "os._exit(0)", {"crash"}),
    "raises SystemExit": (_DOOR + "raise SystemExit(3)", {"exception"}),
    "reads address 0": (_DOOR + "ctypes.string_at(0)", {"crash"}),
    "recurses": (_DOOR + "return generate(task, n, rng)", {"exception"}),
    "order of a set": (_DOOR + "return " + _PERSONAS % "str({'a', 'b', 'c', 'd', 'e'})", {"not the same twice"}),
    "an address": (_DOOR + "return " + _PERSONAS % "str(id(object()))", {"not the same twice"}),
    "imports what it may not": ("import socket", {"rule"}),
    "returns too few": (_DOOR + "return []", {"contract"}),
    "is no Python": ("def generate(:", {"exception"}),
}


@dataclass(frozen=True)
class Resources:
    """Resources of the host and its servers. Memory in MB: the host's resident size, and the servers' proportional size."""

    processes: int
    host_files: int
    server_files: int
    host_mb: float
    servers_mb: float
    temporary: int
    semaphores: int

    @staticmethod
    def now(box: Sandbox, folder: str) -> Resources:
        servers, host = box.server_pids(), os.getpid()
        return Resources(
            processes=_settled(len(servers)),
            host_files=_files(host),
            server_files=sum(map(_files, servers)),
            host_mb=memory(host, "Rss"),
            servers_mb=sum(memory(pid, "Pss") for pid in servers),
            temporary=len(os.listdir(folder)),
            semaphores=_semaphores(),
        )


@dataclass
class RunLog:
    """Resources before, after the warm-up, at the end and once closed; failures by program and kind."""

    held: list[Resources] = field(default_factory=list)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, name: str, result: RunResult) -> None:
        """Record a result; it is wrong if its kind is not expected of this program."""
        expected = HOSTILE[name][1] if name in HOSTILE else {"ok"}
        kind = "ok" if result.ok else kind_of(result.reason or "")
        if kind not in expected:
            self.wrong.append(f"{name}: expected {' or '.join(sorted(expected))}, got {kind}: {result.reason}")
        if not result.ok:
            self.failures[name, kind] += 1


def live(runs: int, tier: Tier) -> RunLog:
    """Run ``runs`` programs in one sandbox."""
    life, start = RunLog(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder:
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            box = Sandbox(tier=tier, wall_seconds=WALL_SECONDS, memory_mb=MEMORY_MB)
            life.held.append(Resources.now(box, folder))
            with box:
                for number, (name, source) in enumerate(_programs(runs)):
                    life.note(name, box.run(source, TASK, 5, number))
                    if number == _warm(runs):
                        life.held.append(Resources.now(box, folder))
                life.held.append(Resources.now(box, folder))
            life.held.append(Resources.now(box, folder))
        finally:
            tempfile.tempdir = before
    life.seconds = time.monotonic() - start
    return life


def _programs(runs: int) -> Iterator[tuple[str, str]]:
    honest = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
    names = list(HOSTILE)
    for number in range(runs):
        name = names[number // EVERY % len(names)] if number % EVERY == EVERY - 1 else f"honest {number % 500}"
        yield name, HOSTILE[name][0] if name in HOSTILE else f"{honest}\nNUMBER = {number % 500}\n"


def _warm(runs: int) -> int:
    """Number of runs after which every program has run and servers have been replaced."""
    return min(runs // 2, 2 * EVERY * len(HOSTILE) + 500)


def kind_of(reason: str) -> str:
    """The kind of a failure; "without a reason" if none matches."""
    return next((kind for kind, pattern in KINDS.items() if re.match(pattern, reason)), "without a reason")


def problems(life: RunLog) -> list[str]:
    """Limits that were exceeded."""
    before, warm, after, closed = life.held
    found = list(life.wrong)
    for name in ("processes", "host_files", "server_files", "temporary", "semaphores"):
        if getattr(after, name) > getattr(warm, name):
            found.append(f"{name}: {getattr(warm, name)} after the warm-up, {getattr(after, name)} at the end")
        if getattr(closed, name) > getattr(before, name):
            found.append(f"{name}: {getattr(before, name)} before, {getattr(closed, name)} once closed")
    for name in ("host_mb", "servers_mb"):
        grown = getattr(after, name) - getattr(warm, name)
        if grown > GROWTH_MB:
            found.append(f"{name}: grew by {grown:.1f} MB; at most {GROWTH_MB:g} are allowed")
    return found


def descendants(pid: int) -> set[int]:
    """All descendants of a process."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | descendants(child)
    return found


def _settled(servers: int) -> int:
    """Number of living descendants of this process, once the latest children have ended."""
    for _ in range(200):
        alive = [pid for pid in descendants(os.getpid()) if _state(pid) not in "ZX"]
        if len(alive) <= servers:
            break
        time.sleep(0.01)
    return len(alive)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def memory(pid: int, name: str) -> float:
    """Rss or Pss of a process in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(rf"^{name}: +(\d+) kB", text, re.MULTILINE)[0]) / 1024


def _files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _semaphores() -> int:
    """Named semaphores and shared memory of this user and of the user nobody, and those of System V; joblib's are left out."""
    mine = [path for path in Path("/dev/shm").glob("*") if "loky" not in path.name and path.exists()]
    mine = [path for path in mine if path.stat().st_uid in (os.getuid(), 65534)]
    return len(mine) + sum(len(Path(f"/proc/sysvipc/{kind}").read_text().splitlines()) - 1 for kind in ("sem", "shm", "msg"))


def _show(life: RunLog, runs: int, found: Sequence[str]) -> None:
    print(f"{runs:,} runs in {life.seconds:.0f} s, {runs // EVERY:,} hostile")
    print(f"{'':16}{'before':>10}{'warm':>10}{'end':>10}{'closed':>10}")
    for name in Resources.__dataclass_fields__:
        print(f"{name:16}" + "".join(f"{getattr(held, name):10.1f}".replace(".0", "  ") for held in life.held))
    print(f"{'failures':40}{'kind':24}{'times':>6}")
    for (name, kind), times in sorted(life.failures.items()):
        print(f"{name:40}{kind:24}{times:6}")
    print(*(found or ["nothing left over, and every failure says why"]), sep="\n")


def main() -> int:
    """Run the test and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--tier", choices=["kernel", "weak"], default="kernel")
    options = parser.parse_args()
    life = live(options.runs, options.tier)
    found = problems(life)
    _show(life, options.runs, found)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

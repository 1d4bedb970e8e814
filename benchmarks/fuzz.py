"""Fuzz the code that reads untrusted input: ``python -m benchmarks.fuzz [TARGET …] [--minutes 10] [--seed N]``.

Targets: protocol (children's output to the parent), validator (AXES and personas), edits (source of programs), where, config. Each runs
in a process of its own, half of the time on cases made by hypothesis and half on mutated ones, guided by line coverage. Any result other
than a value or an error of the project is a finding: it is printed with its case, and the exit code is 1. A crash of the interpreter, a
case of more than five seconds of processor time, and a leaked file, thread or 100 MB of memory are findings too.
"""

from __future__ import annotations

import argparse
import importlib
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import astuple, dataclass

from benchmarks.fuzzing.engine import Fuzzer, shown

TARGETS = ("protocol", "validator", "edits", "where", "config")
MEMORY = 3 * 2**30  # a limit, so that a case that needs more is a finding and does not exhaust the machine
GROWTH = 100 * 2**20
NOTE = 1 << 20
PATIENCE = 120.0
FINDINGS = 10


@dataclass(frozen=True)
class Resources:
    """Resources of a process."""

    files: int
    threads: int
    memory: int

    @staticmethod
    def now() -> Resources:
        pages = int(open("/proc/self/statm").read().split()[1])  # noqa: SIM115 - closed by its destructor
        return Resources(len(os.listdir("/proc/self/fd")), threading.active_count(), pages * mmap.PAGESIZE)


class CaseRecord:
    """Stores the current case outside the process, for a crash."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTE)

    def __call__(self, case: object) -> None:
        text = shown(case).encode(errors="backslashreplace")[: NOTE - 8]
        self._map[: 8 + len(text)] = len(text).to_bytes(8, "big") + text

    @staticmethod
    def read(path: str) -> str:
        with open(path, "rb") as file:
            return file.read(int.from_bytes(file.read(8), "big")).decode()


def inside(name: str, seconds: float, seed: int, note: str) -> int:
    """Fuzz one target in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    fuzzer = Fuzzer(importlib.import_module(f"benchmarks.fuzzing.{name}").TARGET, seed, CaseRecord(note))
    start = time.monotonic()
    _round(fuzzer)
    before = Resources.now()
    while time.monotonic() - start < seconds and len(fuzzer.findings) < FINDINGS:
        _round(fuzzer)
    after = Resources.now()
    spent = time.monotonic() - start
    leaks = _leaks(before, after)
    rate, lines = fuzzer.cases / spent, f"{fuzzer.reached} of {len(fuzzer.lines.all)} lines"
    print(f"{name}: {fuzzer.cases:,} cases in {spent:.0f} s ({rate:.0f}/s), {lines} reached, {len(fuzzer.findings) + len(leaks)} findings")
    for finding in fuzzer.findings.values():
        print(f"--- {name}, case: {shown(finding.case):.3000}\n{finding.trace}")
    print(*leaks, sep="\n", end="\n" if leaks else "")
    return 1 if fuzzer.findings or leaks else 0


def _round(fuzzer: Fuzzer) -> None:
    start = time.monotonic()
    fuzzer.structured(100)
    end = 2 * time.monotonic() - start  # the second half
    while time.monotonic() < end:
        fuzzer.mutated(20)


def _leaks(before: Resources, after: Resources) -> list[str]:
    grown = [two - one for one, two in zip(astuple(before), astuple(after), strict=True)]
    limits = zip(("files", "threads", "bytes of memory"), grown, (0, 0, GROWTH), strict=True)
    return [f"--- {count:,} {what} left over" for what, count, most in limits if count > most]


def outside(name: str, seconds: float, seed: int) -> int:
    """Fuzz one target in another process, and report how that ended."""
    with tempfile.NamedTemporaryFile() as note:
        note.truncate(NOTE)
        command = [sys.executable, "-m", "benchmarks.fuzz", name, "--inside", note.name, f"--minutes={seconds / 60}", f"--seed={seed}"]
        try:
            code = subprocess.run(command, check=False, timeout=seconds + PATIENCE).returncode
        except subprocess.TimeoutExpired:
            code = -1
        if code not in (0, 1):
            how = "did not end" if code == -1 else f"ended with {code}"
            print(f"{name}: {how}; the last case was\n{CaseRecord.read(note.name):.3000}")
    return code


def main() -> int:
    """Fuzz the targets in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown target {min(unknown)}; targets are {', '.join(TARGETS)}")
    if options.inside:
        return inside(options.targets[0], options.minutes * 60, options.seed, options.inside)
    codes = [outside(name, options.minutes * 60, options.seed) for name in options.targets or TARGETS]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())

"""Time of running a program: ``python -m benchmarks.sandbox [--tier kernel] [--runs 300] [--seconds 4]``.

Two reference figures of the same machine at the same moment allow comparison between machines: the start of ``python -I -S -c pass``, and a
fork and exit in such a process. All on one core: everything is pinned to it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import cast

from benchmarks.endurance import memory
from personaevo import content
from personaevo.errors import WeakSandboxWarning
from personaevo.programs import Sandbox, isolation
from personaevo.records import Tier

TASK = {"goal": "book a table", "facts": {"people": "2"}, "context": "", "domain": "service"}
SIZE = 3_500
_FORKS = """
import os, time
def once():
    begun = time.perf_counter()
    pid = os.fork()
    if not pid: os._exit(0)
    os.waitpid(pid, 0)
    return time.perf_counter() - begun
print(sorted(once() for _ in range(200))[100])
"""


def program(number: int) -> str:
    """The seed program, padded to 3.5 kB and unique."""
    text = f"{_seed()}\nNUMBER = {number}\n"
    return text + "#" * (SIZE - len(text.encode()))


@cache
def _seed() -> str:
    return (content.root("seeds") / "program.py").read_text(encoding="utf-8")


def timed(function: Callable[[], object]) -> float:
    """Wall time in milliseconds."""
    begun = time.perf_counter()
    function()
    return (time.perf_counter() - begun) * 1000


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this process and its children to one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def reference() -> tuple[float, float]:
    """Milliseconds of an interpreter's start, and of a fork."""
    bare = [sys.executable, "-I", "-S", "-c"]
    start = statistics.median(timed(lambda: subprocess.run([*bare, "pass"], check=True)) for _ in range(20))
    return start, float(subprocess.run([*bare, _FORKS], check=True, capture_output=True).stdout) * 1000


def latency(tier: Tier, runs: int) -> None:
    """The first run, warm runs of new programs, warm runs of one program, and memory."""
    box = Sandbox(tier=tier)
    start = timed(box.__enter__)
    with box:
        first = timed(lambda: _run(box, 0))
        for name, numbers in (("a new program each time", range(1, runs + 1)), ("one program", [0] * runs)):
            before = spent(box)
            times = [timed(partial(_run, box, number)) for number in numbers]
            cut, processor = statistics.quantiles(times, n=20), (spent(box) - before) / runs
            print(f"  warm, {name + ':':26}p50 {cut[9]:.1f} ms, p95 {cut[18]:.1f} ms; processor time {processor:.1f} ms; of {runs} runs")
        print(f"  start {start:.0f} ms (self-test included), first run {first:.0f} ms")
        for pid in box.server_pids():
            print(f"  server: PSS {memory(pid, 'Pss'):.1f} MB, RSS {memory(pid, 'Rss'):.1f} MB")


def spent(box: Sandbox) -> float:
    """Milliseconds of processor time of this process, the servers and their ended children, which depends little on other load."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in box.server_pids()]
    ticks = sum(int(value) for stat in stats for value in stat[11:15])
    return (time.process_time() + ticks / os.sysconf("SC_CLK_TCK")) * 1000


def _run(box: Sandbox, number: int) -> None:
    result = box.run(program(number), TASK, 5, number)
    if not result.ok:
        raise SystemExit(f"the program failed: {result.reason}")


def throughput(tier: Tier, seconds: float) -> None:
    """Programs per second with one sandbox process per processor."""
    cores = len(os.sched_getaffinity(0))
    with get_context("spawn").Pool(cores) as pool:
        rates = pool.starmap(_rate, [(tier, seconds, worker) for worker in range(cores)])
    print(f"  {sum(rates):.0f} programs/s on {cores} cores")


def _rate(tier: Tier, seconds: float, worker: int) -> float:
    warnings.simplefilter("ignore", WeakSandboxWarning)
    with Sandbox(tier=tier) as box:
        _run(box, 0)
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            done += 1
            _run(box, worker * 1_000_000 + done)
        return done / (time.perf_counter() - begun)


def main() -> None:
    """Measure both tiers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", choices=sorted(isolation.TIERS), action="append", help="default: kernel and weak")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore", WeakSandboxWarning)
    for tier in cast("list[Tier]", options.tier or ["kernel", "weak"]):
        print(tier)
        with one_core():
            start, fork = reference()
            print(f"  reference: python -I -S -c pass {start:.1f} ms, fork and exit {fork:.2f} ms")
            latency(tier, options.runs)
        throughput(tier, options.seconds)


if __name__ == "__main__":
    main()

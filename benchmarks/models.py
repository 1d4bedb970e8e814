"""Utilization of a model's server by a search: ``python -m benchmarks.models [--calls 2000] [--latency 0.2]``.

The loopback server of ``examples.model_server`` waits a fixed time before each answer, in a process of its own. Reported are the
calls as a share of the maximum for this number of slots and latency; the mean number of concurrent requests, start and end included; and
the memory of this process and its descendants (PSS, summed).
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.endurance import memory
from personaevo.archive import Archive
from personaevo.config import make_config
from personaevo.evolve.parts import ModelRuntime
from personaevo.evolve.players import Players
from personaevo.evolve.prepare import load_program, load_tasks
from personaevo.evolve.rollout import Rollout, make_plan, roll_out
from personaevo.models import adapter

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = 16
_CALLS_OF_A_PLAN = 490  # about: 50 dialogues


@contextmanager
def server(latency: float) -> Iterator[tuple[str, int]]:
    """The server's address and process; it ends with the block."""
    command = [sys.executable, "-m", "examples.model_server", "--port", "0", "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        addresses = [word.rstrip(",;") for word in line.split() if word.startswith("http")]
        yield next(address for address in addresses if address.endswith("/v1")), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        print(f"the server: {process.communicate()[0].strip()}")


class CallMonitor:
    """Records the end of every call, and the memory every half second."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ends: list[float] = []  # end times of calls
        self.memory: list[float] = []
        self.server = 0  # its process, which is not counted

    @property
    def answered(self) -> int:
        """Number of finished calls."""
        return len(self.ends)

    def note(self) -> None:
        """Record the end of a call."""
        with self.lock:
            self.ends.append(time.monotonic())

    def utilization(self, latency: float) -> float:
        """Share of the maximum throughput of ``AT_ONCE`` slots, from when all are first in use until the last 5 % of the calls."""
        start, stop = self.ends[AT_ONCE], self.ends[int(len(self.ends) * 0.95)]
        answers = int(len(self.ends) * 0.95) - AT_ONCE
        return answers * latency / (stop - start) / AT_ONCE


def below(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += below(int(child))
    return found


def main() -> None:
    """Play dialogues of the seed program with users and agent by a model: about the given number of calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds of an answer")
    given = parser.parse_args()
    watch = CallMonitor()
    asked = adapter.Adapter.reply

    def counted(self: adapter.Adapter, *messages: object, **named: object) -> object:
        try:
            return asked(self, *messages, **named)  # type: ignore[arg-type]
        finally:
            watch.note()

    adapter.Adapter.reply = counted  # type: ignore[method-assign, assignment]
    with server(given.latency) as (url, watch.server), tempfile.TemporaryDirectory() as folder:
        _play(url, Path(folder), given, watch)


def _play(url: str, folder: Path, given: argparse.Namespace, watch: CallMonitor) -> None:
    models = {"user": f"openai:a@{url}", "agent": f"openai:b@{url}"}
    config = make_config({"models": models, "archive": folder / "a.duckdb", "at_once": AT_ONCE})
    program, tasks = load_program(config), load_tasks(config)["train"]
    with Archive.create_or_open(folder / "a.duckdb") as archive, ModelRuntime(config, archive) as company:
        done = threading.Event()
        watcher = threading.Thread(target=_watch_memory, args=(watch, done))
        watcher.start()
        begun = time.monotonic()
        count = -(-given.calls // _CALLS_OF_A_PLAN)
        plans = [make_plan(tasks, at_most=10, personas=5, seed=seed, purpose="train") for seed in range(count)]
        company.pool.map(roll_out, [_work(company.players, program.source, plan) for plan in plans])
        seconds = time.monotonic() - begun
        done.set()
        watcher.join()
    quarter = max(1, len(watch.memory) // 4)
    first, last = statistics.median(watch.memory[quarter : 2 * quarter]), statistics.median(watch.memory[-quarter:])
    print(f"{watch.answered:,} calls in {seconds:.1f} s, {watch.answered / seconds:.0f} a second, {AT_ONCE} at a time")
    print(f"{watch.utilization(given.latency):.1%} of what {AT_ONCE} places can answer in that time, until work ran out")
    print(f"memory (PSS of this process and all below): second quarter {first:.1f} MB, last quarter {last:.1f} MB")


def _work(cast: Players, source: str, plan: object) -> Rollout:
    return Rollout(source, plan, "service", (), "kernel", cast)  # type: ignore[arg-type]


def _watch_memory(watch: CallMonitor, done: threading.Event) -> None:
    while not done.wait(0.5):
        watch.memory.append(sum(_held(pid) for pid in below(os.getpid()) if pid != watch.server))


def _held(pid: int) -> float:
    try:
        return memory(pid, "Pss")
    except (OSError, IndexError):  # it ended meanwhile
        return 0.0


if __name__ == "__main__":
    main()

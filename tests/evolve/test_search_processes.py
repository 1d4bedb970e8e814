"""The search in processes of its own: killed, interrupted, with lost workers; nothing is lost and nobody is left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from evolve_cases import SMALL, family, small

from personaevo import content
from personaevo.archive import Archive
from personaevo.evolve.search import search

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
ROOT = content.root("archive").parent
# No guard for __main__, as in a notebook. Says on stdout how many candidates are safe, then the digest.
SCRIPT = """
import json, os, signal, sys
import personaevo as pe

settings = json.loads(sys.argv[1])

def lose_a_worker(progress):
    children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    workers = [int(pid) for pid in children if b"loky" in open(f"/proc/{pid}/cmdline", "rb").read() and b"tracker" not in
               open(f"/proc/{pid}/cmdline", "rb").read()]
    if workers:  # none if they were lost just now and what is told was played before
        print("losing", len(workers), flush=True)
        os.kill(workers[0], signal.SIGKILL)

def observe(progress):
    print(progress.done, flush=True)
    if progress.done in settings["lose"]:
        lose_a_worker(progress)

result = pe.search(pe.SearchConfig(**settings["config"]), observe=observe)
print("digest", result.digest, flush=True)
"""


class Script:
    """Starts the script above, and reads what it says."""

    def __init__(self, folder: Path) -> None:
        self.file, self.archive, self.temporary = folder / "script.py", folder / "a.duckdb", folder / "temporary"
        self.temporary.mkdir()
        self.file.write_text(SCRIPT, encoding="utf-8")

    def start(self, *, lose: tuple[int, ...] = (), **changes: Any) -> subprocess.Popen[str]:
        config = {**SMALL, "archive": str(self.archive), **changes}
        command = [sys.executable, "-W", "ignore", str(self.file), json.dumps({"config": config, "lose": lose})]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.file.parent)

    def digest(self, process: subprocess.Popen[str]) -> str:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return out.split()[-1]

    def safe_after(self, process: subprocess.Popen[str], at_least: int) -> int:
        """Reads until so many candidates are said to be safe."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip().isdigit() and int(line) >= at_least:
                return int(line)
        raise AssertionError("the search ended before")

    def leftovers(self, process: subprocess.Popen[str]) -> list[str]:
        """Files and semaphores of a search that is over. The semaphores of a killed one are removed by another process, soon after."""
        deadline = time.monotonic() + 10
        while (found := self._leftovers(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _leftovers(self, pid: int) -> list[str]:
        return [str(file) for file in (*self.temporary.iterdir(), *Path("/dev/shm").glob(f"*loky-{pid}-*"))]

    def commits(self) -> int:
        with Archive.read(self.archive) as archive:
            archive.verify_digest()
            return len(archive.commits(archive.run().id))


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


@pytest.fixture
def left() -> Iterator[Callable[[], set[int]]]:
    with family() as left:
        yield left


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What an undisturbed search comes to, here and with one job."""
    return search(small(tmp_path_factory.mktemp("undisturbed") / "a.duckdb")).digest


def test_without_a_main_guard(script: Script, digest: str, left: Callable[[], set[int]]) -> None:
    assert script.digest(script.start(jobs=2)) == digest
    assert not left()


@pytest.mark.slow
def test_killed_and_interrupted_again_and_again(script: Script, digest: str, left: Callable[[], set[int]]) -> None:
    """What was committed is still there, whatever ends the search; the processes it had end with it; the end is the same."""
    safe = 0
    for jobs, ending in ((2, signal.SIGKILL), (1, signal.SIGINT)):
        process = script.start(jobs=jobs, resume=safe > 0)
        safe = script.safe_after(process, safe + random.randint(1, 2))
        process.send_signal(ending)
        process.communicate(timeout=30)
        assert process.returncode not in (0, None)
        assert not left()
        assert script.leftovers(process) == []
        assert script.commits() >= safe
    assert script.digest(script.start(jobs=2, resume=True)) == digest
    assert not left()


@pytest.mark.slow
def test_lost_workers(script: Script, digest: str, left: Callable[[], set[int]]) -> None:
    """The system may kill a worker, in the middle or before the final table; its work is done again."""
    process = script.start(jobs=2, lose=(2, 6, 12))
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert out.count("losing") >= 2
    assert out.split()[-1] == digest
    assert not left()

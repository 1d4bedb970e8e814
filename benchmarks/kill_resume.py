"""Crash test: kill -9 at random moments, then resume. No commit may be lost, and the result must equal that of an undisturbed search.

    python -m benchmarks.kill_resume [--kills 20] [--candidates 40] [--jobs 2] [--seed 1]

One search is repeatedly killed at a random moment and resumed; when it ends, the next one begins, until there are enough kills. A line per
kill: the moment, the number of candidates reported as safe before, and the number in the archive.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.evolve.search import search

_SCRIPT = """
import json, sys
import personaevo as pe
config = pe.SearchConfig(**json.loads(sys.argv[1]))
result = pe.search(config, observe=lambda progress: print(progress.done, flush=True))
print("digest", result.digest, flush=True)
"""


def main() -> None:
    """Print a line per kill, and at the end whether all digests are equal."""
    options = _options()
    chance = random.Random(options.seed)
    settings: dict[str, Any] = {"candidates": options.candidates, "jobs": options.jobs, "seed": options.seed}
    with tempfile.TemporaryDirectory() as folder:
        expected = search(SearchConfig(**settings, archive=Path(folder) / "undisturbed.duckdb")).digest
        kills = ends = 0
        path = Path(folder) / "0.duckdb"
        while kills < options.kills or path.exists():
            before = _safe(path)
            moment = _KillTime.drawn(chance, before, options.candidates) if kills < options.kills else None
            said, digest = _run({**settings, "archive": str(path), "resume": path.exists()}, moment)
            if digest is None:
                kills += 1
                now, safe = _safe(path), max([before, *said])
                print(f"kill {kills:2} {moment}: {safe:3} reported safe, {now:3} in the archive", flush=True)
                if now < safe:
                    raise SystemExit("something committed was lost")
                continue
            ends += 1
            print(f"ended: digest {digest} (undisturbed: {expected})", flush=True)
            if digest != expected:
                raise SystemExit("the digest is not that of the undisturbed search")
            path = Path(folder) / f"{ends}.duckdb"
    print(f"{kills} kills, {ends} searches brought to their end: nothing lost, all digests equal to the undisturbed one")


@dataclass(frozen=True)
class _KillTime:
    """Some seconds after a number of candidates is reported as safe (0: after the start)."""

    candidates: int
    seconds: float

    @classmethod
    def drawn(cls, chance: random.Random, before: int, planned: int) -> _KillTime:
        """Mostly within the next half of the remaining candidates, sometimes during the start or the finals."""
        if before >= planned or chance.random() < 0.2:
            return cls(0, chance.uniform(0.0, 6.0))
        return cls(chance.randint(before + 1, (before + planned + 1) // 2 + 1), chance.uniform(0.0, 0.1))

    def __str__(self) -> str:
        return f"{self.seconds:5.2f} s after " + (f"candidate {self.candidates:3}" if self.candidates else "the start    ")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _run(settings: dict[str, Any], moment: _KillTime | None) -> tuple[list[int], str | None]:
    """Run a search, killed at a moment; return the number reported as safe, and the digest if it finished."""
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert process.stdout is not None
    timer, start = threading.Timer(moment.seconds if moment else 0.0, process.kill), moment.candidates if moment else None
    if start == 0:
        timer.start()
    said, digest = [], None
    for line in process.stdout:
        if line.startswith("digest") and line.endswith("\n"):
            digest = line.split()[1]
        elif line.endswith("\n"):
            said.append(int(line))
            if said[-1] == start:
                timer.start()
    process.wait()
    timer.cancel()
    if digest is None and process.returncode >= 0:
        raise SystemExit(f"the search failed with exit code {process.returncode}")
    return said, digest


def _safe(path: Path) -> int:
    """Number of candidates in the archive, after checking every digest."""
    if not path.exists():
        return 0
    with Archive.read(path) as archive:
        archive.verify_digest()
        runs = archive.runs()
        return len(archive.commits(runs[-1].id)) if runs else 0


if __name__ == "__main__":
    main()

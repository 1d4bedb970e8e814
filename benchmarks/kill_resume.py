"""kill -9 at random moments, then resume: nothing committed is lost, and the end is that of the undisturbed search.

    python -m benchmarks.kill_resume [--kills 20] [--candidates 40] [--jobs 2] [--seed 1]

One search is killed again and again, at a random moment of its life each time, and resumed; when it ends, the next one begins, until
there were enough kills. A line per kill: when, how many candidates were reported as safe before, and how many the archive has.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
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
    """Prints a line per kill, and at the end whether all digests are equal."""
    options = _options()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {"candidates": options.candidates, "jobs": options.jobs, "seed": options.seed}
        begun = time.monotonic()
        expected = search(SearchConfig(**settings, archive=Path(folder) / "undisturbed.duckdb")).digest
        life = time.monotonic() - begun + 1.5  # and the start of Python
        kills = ends = 0
        path = Path(folder) / "0.duckdb"
        while kills < options.kills or path.exists():
            wanted = {**settings, "archive": str(path), "resume": path.exists()}
            before = _safe(path)
            wait = chance.uniform(0.0, life) if kills < options.kills else None
            said, digest = _run(wanted, wait)
            if digest is None:
                kills += 1
                now = _safe(path)
                lost = max([before, *said]) - now
                assert wait is not None
                print(
                    f"kill {kills:2} after {wait:5.2f} s: {max([before, *said]):3} reported safe, {now:3} in the archive, lost {max(lost, 0)}"
                )
                assert lost <= 0, "something committed was lost"
                continue
            ends += 1
            print(f"ended: digest {digest} {'equals' if digest == expected else 'DIFFERS from'} that of the undisturbed search", flush=True)
            assert digest == expected
            path = Path(folder) / f"{ends}.duckdb"
    print(f"{kills} kills, {ends} searches brought to their end: nothing lost, all digests equal to the undisturbed one")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _run(settings: dict[str, Any], wait: float | None) -> tuple[list[int], str | None]:
    """Runs a search, killed after ``wait`` seconds; returns what it said was safe, and its digest if it came to its end."""
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT, json.dumps(settings)], stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(wait, process.kill) if wait is not None else None
    if timer is not None:
        timer.start()
    out, _ = process.communicate()
    if timer is not None:
        timer.cancel()
    lines = [line for line in out.splitlines(keepends=True) if line.endswith("\n")]
    digest = next((line.split()[1] for line in lines if line.startswith("digest")), None)
    if digest is None and process.returncode >= 0:
        raise SystemExit(f"the search failed with exit code {process.returncode}")
    return [int(line) for line in lines if line.strip().isdigit()], digest


def _safe(path: Path) -> int:
    """Candidates in the archive, after checking every digest in it."""
    if not path.exists():
        return 0
    with Archive.read(path) as archive:
        archive.verify_digest()
        runs = archive.runs()
        return len(archive.commits(runs[-1].id)) if runs else 0


if __name__ == "__main__":
    main()

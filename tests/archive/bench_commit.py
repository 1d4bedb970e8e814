"""How long a commit of 50 episodes of 16 turns with 50 personas takes: ``python tests/archive/bench_commit.py``."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archive_cases import CELLS, SETTINGS, a_commit

from personaevo.archive import Archive


def main(commits: int = 200) -> None:
    """Print median and 90th percentile in milliseconds."""
    made = [a_commit(number, episodes=50, turns=16, features=30) for number in range(commits)]
    times = []
    with tempfile.TemporaryDirectory() as folder, Archive.create_or_open(Path(folder) / "a.duckdb") as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        for commit in made:
            begun = time.perf_counter()
            archive.commit(run.id, commit)
            times.append(1000 * (time.perf_counter() - begun))
    sys.stdout.write(f"median {statistics.median(times):.1f} ms, p90 {statistics.quantiles(times, n=10)[-1]:.1f} ms\n")


if __name__ == "__main__":
    main()

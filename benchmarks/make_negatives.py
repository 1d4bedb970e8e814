"""Build the negative programs: ``python -m benchmarks.make_negatives [--domains service charity camping] [--jobs 2]``.

The judge of every search is trained against them (``fitness/negatives``). Each is the best program of a short search with a seed that no
default search has, and a judge without negative programs: a typical early result, which a search has to surpass. They are content:
rebuild them only when engine or score changes, and note it in the changelog.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from unittest import mock

from personaevo import content
from personaevo.config import SearchConfig
from personaevo.definitions import domain_names
from personaevo.evolve import controls
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.search import search
from personaevo.records import FinalTable, TableRow

COUNT, FIRST_SEED, CANDIDATES = 10, 101, 15


def made(domain: str, seed: int, jobs: int) -> str:
    """The source of the best program of a short search."""

    def table(running: SearchLoop) -> FinalTable:
        """The best by search score, without finals and table."""
        best = running.state.held.top(1)[0].program_id
        return FinalTable((TableRow("evolved", best, {}),))

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(controls, "negative_programs", lambda place: []):
        config = SearchConfig(domain=domain, seed=seed, candidates=CANDIDATES, jobs=jobs, archive=Path(folder) / "a.duckdb")
        with mock.patch.object(SearchLoop, "table", table):
            return search(config).best.source


def main() -> None:
    """Write ten programs for each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", nargs="+", default=domain_names())
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for domain in options.domains:
        folder = content.root("fitness") / "negatives" / domain
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(COUNT):
            path = folder / f"{number + 1:02}.py"
            path.write_text(made(domain, FIRST_SEED + number, options.jobs), encoding="utf-8")
            print(path, flush=True)


if __name__ == "__main__":
    main()

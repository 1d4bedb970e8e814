"""Runs a small search from a script and prints the final table. No key, no network: ``python examples/search_from_python.py``."""

import tempfile
from pathlib import Path

import personaevo as pe

with tempfile.TemporaryDirectory() as folder:
    result = pe.search(pe.SearchConfig(domain="charity", candidates=20, seed=7, archive=Path(folder) / "charity.duckdb"))
    for row in result.table:
        score = row.measures["score"]
        print(f"{row.row:14} score {score.mean:.2f} [{score.low:.2f}, {score.high:.2f}] over {score.completed} of {score.planned} episodes")
    print(f"{result.candidates} candidates, {result.episodes} episodes, digest {result.digest}")

"""Run a small search from a script and print the final table. No key, no network: ``python examples/search_from_python.py``."""

import tempfile
from pathlib import Path

import personaevo as pe

with tempfile.TemporaryDirectory() as folder:
    result = pe.search(pe.SearchConfig(domain="charity", candidates=20, seed=7, archive=Path(folder) / "charity.duckdb"))
    for row in result.table:
        score = row.measures.get("score")  # None for people if no person has two dialogues
        text = "not measured" if score is None else f"{score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]"
        print(f"{row.row:15} score {text}")
    for one in result.comparisons:
        if (one.against, one.objective) == ("average_person", "score"):
            print(f"evolved above the average person by {one.mean:+.2f} [{one.low:+.2f}, {one.high:+.2f}]")
    print(f"{result.candidates} candidates, {result.episodes} episodes, digest {result.digest}")

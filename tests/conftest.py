"""What tests share: one small archive that a real search wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from personaevo.config import SearchConfig
from personaevo.evolve.search import search


@pytest.fixture(scope="session")
def finished_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with an ended search over five candidates. Copy it to change it."""
    path = tmp_path_factory.mktemp("finished") / "small.duckdb"
    search(SearchConfig(archive=path, candidates=5, task_count=4, personas=3, test_tasks=4, test_personas=3, lag=2, jobs=1, seed=1))
    return path

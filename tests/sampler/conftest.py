"""Archives and samplers that the sampler's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from sampler_cases import three_elites

from personaevo.sampler import PersonaSampler


@pytest.fixture(scope="session")
def stored_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of made-up commits: see ``sampler_cases.three_elites``."""
    return three_elites(tmp_path_factory.mktemp("stored") / "stored.duckdb")


@pytest.fixture(scope="session")
def stored(stored_archive: Path) -> PersonaSampler:
    """A sampler of it."""
    return PersonaSampler(stored_archive)

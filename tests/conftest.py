"""What tests share: one small archive that a real search wrote, a cache folder for the starts of searches, and property tests that try the
same cases in every run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from personaevo.config import SearchConfig
from personaevo.evolve.search import search

# A test that fails must fail again. make slow runs them with cases drawn anew: --hypothesis-profile=new.
settings.register_profile("new", deadline=None)
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run keep the starts of searches in one new folder, never in the user's; and Ctrl-C reaches what they start, also
    where a shell in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.mkdtemp(prefix="personaevo-tests-")
        os.environ["XDG_CACHE_HOME"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def finished_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with an ended search over five candidates. Copy it to change it."""
    path = tmp_path_factory.mktemp("finished") / "small.duckdb"
    search(SearchConfig(
        archive=path, candidates=5, task_count=4, personas=3, test_tasks=4, test_personas=3, lag=2, jobs=1, seed=1, control_dialogues=60,
        people_draws=2,
    ))  # fmt: skip
    return path

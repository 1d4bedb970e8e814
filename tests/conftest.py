"""What tests share: one small archive that a real search wrote, a folder for what is made once in a run, and property tests that try the
same cases in every run."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import once

# A test that fails must fail again. make slow runs them with cases drawn anew: --hypothesis-profile=new.
settings.register_profile("new", deadline=None)
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


# Files that take longest, by the end of their names. They are begun first, so that no process is left with one when others have ended.
LONGEST = (
    "evolve/test_model_search.py", "test_own_parts.py", "cli/test_cli.py", "evolve/test_screening.py", "evolve/test_search_loop.py",
    "attacks/test_attacks.py", "attacks/test_walls.py", "evolve/test_unanswered.py", "evolve/test_executors.py", "evolve/test_profiles.py",
    "test_verify.py", "programs/test_wasm.py", "programs/test_sandbox.py", "programs/test_endurance.py", "report/test_browser.py",
    "test_examples.py", "models/test_local.py", "models/test_spread.py", "archive/test_processes.py", "cli/test_secrecy.py",
    "injection/test_pipeline.py", "refine/test_people.py", "programs/test_sandbox_processes.py", "test_cluster_recipes.py",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run keep the starts of searches, and what is made once, in one new folder, never in the user's; and Ctrl-C reaches
    what they start, also where a shell in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.mkdtemp(prefix="personaevo-tests-")
        os.environ["XDG_CACHE_HOME"] = folder
        os.environ[once.VARIABLE] = tempfile.mkdtemp(dir=folder)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are collected, none of which is garbage: nothing looks for any meanwhile, nor among them afterwards."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first."""
    places = {name: place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        return min((places[end] for end in ("/".join(item.path.parts[-2:]), item.path.name) if end in places), default=len(places))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        once.install(patch)
        yield


@pytest.fixture(scope="session")
def finished_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with an ended search over five candidates. Copy it to change it."""
    made = once.archive_of(
        candidates=5, task_count=4, personas=3, test_tasks=4, test_personas=2, lag=2, jobs=1, seed=1, control_dialogues=60, people_draws=2
    )
    return Path(shutil.copy(made, tmp_path_factory.mktemp("finished") / "small.duckdb"))

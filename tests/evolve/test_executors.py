"""Executors that people already run: equal results, and a worker that dies costs a retry."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from personaevo import backends
from personaevo.config import SearchConfig
from personaevo.errors import ConfigError
from personaevo.evolve.search import SearchResult, search

SMALL: dict[str, Any] = {
    "candidates": 8, "task_count": 2, "personas": 2, "test_tasks": 2, "test_personas": 2, "finalists": 2, "control_dialogues": 20,
    "people_draws": 2, "lag": 4,
}  # fmt: skip


def searched(folder: Path, name: str, executor: Executor | None = None, **settings: Any) -> SearchResult:
    return search(SearchConfig(archive=folder / f"{name}.duckdb", **{"jobs": 1, **SMALL, **settings}), executor=executor)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return searched(tmp_path_factory.mktemp("here"), "here").digest


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler of Dask and two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


def test_threads(tmp_path: Path, expected: str) -> None:
    with ThreadPoolExecutor(2) as given:
        assert searched(tmp_path, "threads", given).digest == expected


def test_processes(tmp_path: Path, expected: str) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as given:
        assert searched(tmp_path, "processes", given).digest == expected


def test_a_dask_scheduler(tmp_path: Path, expected: str, cluster: Any) -> None:
    with backends.executor("dask", cluster.scheduler_address) as given:
        assert searched(tmp_path, "dask", given).digest == expected


def test_a_worker_of_dask_is_killed_in_the_middle(tmp_path: Path, expected: str, cluster: Any) -> None:
    killed = threading.Event()

    def kill(_: Any) -> None:
        if not killed.is_set():
            killed.set()
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    with backends.executor("dask", cluster.scheduler_address) as given:
        config = SearchConfig(archive=tmp_path / "killed.duckdb", **SMALL)
        found = search(config, executor=given, observe=kill)
    assert killed.is_set()
    assert found.digest == expected


@pytest.mark.parametrize(
    ("backend", "scheduler", "said"),
    [
        ("spark", None, "expected loky, dask or ray"),
        ("loky", "tcp://x:1", "loky has none"),
        ("dask", "tcp://127.0.0.1:9", "no Dask scheduler at tcp://127.0.0.1:9"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_line(backend: str, scheduler: str | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "dask":
        pytest.importorskip("distributed")
    begun = time.monotonic()
    with pytest.raises(ConfigError, match=said) as caught, backends.executor(backend, scheduler):
        pass
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 60


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'personaevo\[ray\]'"), backends.executor("ray", None):
        pass

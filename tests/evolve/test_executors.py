"""Executors that people already run: equal results, and a worker that dies costs a retry."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from evolve_cases import small

from examples.model_server import ModelServer, person_or_agent
from personaevo import definitions, executors
from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.errors import BudgetError, ConfigError, SandboxError, WorkerError
from personaevo.evolve import rollout
from personaevo.evolve.progress import SearchResult
from personaevo.evolve.rollout import Rollout, make_plan, roll_out
from personaevo.evolve.search import search
from personaevo.programs import isolation
from personaevo.readers import read_tasks
from personaevo.workers import Workers

SEED = Path(__file__).resolve().parents[2] / "seeds" / "program.py"


def settings(folder: Path, name: str, **more: Any) -> SearchConfig:
    return small(folder / f"{name}.duckdb", **{"candidates": 6, **more})


def searched(folder: Path, name: str, executor: Executor | None = None) -> SearchResult:
    return search(settings(folder, name), executor=executor)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return searched(tmp_path_factory.mktemp("here"), "here").digest


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """Two processes that share nothing with this one."""
    with ProcessPoolExecutor(2, get_context("spawn")) as given:
        yield given


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler of Dask and two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=":0") as made:
        yield made


def test_threads(tmp_path: Path, expected: str) -> None:
    with ThreadPoolExecutor(2) as given:
        assert searched(tmp_path, "threads", given).digest == expected


def test_processes(tmp_path: Path, expected: str, processes: Executor) -> None:
    assert searched(tmp_path, "processes", processes).digest == expected


def test_a_dask_scheduler(tmp_path: Path, expected: str, cluster: Any) -> None:
    with executors.executor("dask", cluster.scheduler_address) as given:
        assert searched(tmp_path, "dask", given).digest == expected


def test_a_worker_of_dask_is_killed_in_the_middle(tmp_path: Path, expected: str, cluster: Any) -> None:
    killed = threading.Event()

    def kill(_: Any) -> None:
        if not killed.is_set():
            killed.set()
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    with executors.executor("dask", cluster.scheduler_address) as given:
        found = search(settings(tmp_path, "killed"), executor=given, observe=kill)
    assert killed.is_set()
    assert found.digest == expected


@pytest.mark.parametrize(
    ("backend", "scheduler", "said"),
    [
        ("spark", None, "expected loky, dask or ray"),
        ("loky", "tcp://x:1", "loky has none"),
        ("dask", "tcp://127.0.0.1:9", "no Dask scheduler at tcp://127.0.0.1:9"),
        ("ray", "127.0.0.1:9", "no Ray cluster at 127.0.0.1:9: .*refused"),
        ("ray", "ray://127.0.0.1:9", "no Ray cluster at ray://127.0.0.1:9: .*refused"),
        ("ray", "somewhere", "no Ray cluster at somewhere: expected ray://HOST:10001"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_line(backend: str, scheduler: str | None, said: str) -> None:
    if backend == "dask":
        pytest.importorskip("distributed")
    if backend == "ray":
        assert not pytest.importorskip("ray").is_initialized()
    begun = time.monotonic()
    with pytest.raises(ConfigError, match=said) as caught, executors.executor(backend, scheduler):
        pass
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 60


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    """Two workers of Ray's, which this process is connected to."""
    ray = pytest.importorskip("ray")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    ray.shutdown()


def test_ray(tmp_path: Path, expected: str, ray_cluster: Any) -> None:
    for name in ("first", "second"):
        with executors.executor("ray", None) as given:
            assert searched(tmp_path, name, given).digest == expected
    assert ray_cluster.is_initialized()  # it was not ours to end


def test_a_worker_of_ray_is_killed_in_the_middle(tmp_path: Path, expected: str, ray_cluster: Any) -> None:
    killed = threading.Event()

    with executors.executor("ray", None) as given:

        def kill(_: Any) -> None:
            if not killed.is_set():
                killed.set()
                for process in {one.result() for one in [given.submit(os.getpid) for _ in range(4)]}:
                    os.kill(process, signal.SIGKILL)

        assert search(settings(tmp_path, "watched"), executor=given, observe=kill).digest == expected
    assert killed.is_set()


def of_ones_own(folder: Path) -> Rollout:
    """A roll-out in a domain that only a folder has."""
    files = definitions.domain_files("charity")
    (folder / "domain.toml").write_text(files.definition.read_text("utf-8"), "utf-8")
    plan = make_plan(read_tasks(files.tasks), at_most=2, personas=2, seed=1, purpose="train")
    return Rollout(SEED.read_text("utf-8"), plan, str(folder), (), "kernel")


def test_a_worker_needs_no_file_of_a_domain_of_ones_own(tmp_path: Path, processes: Executor) -> None:
    work = of_ones_own(tmp_path)
    here = roll_out(work)
    with Workers(1, processes) as workers:
        (tmp_path / "domain.toml").unlink()
        assert workers.map(roll_out, [work, work]) == [here, here]
    assert all(one.state == "completed" for one in here)


def test_a_worker_without_the_tier_says_which_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = of_ones_own(tmp_path)
    monkeypatch.setattr(isolation, "missing", lambda: ["Landlock"])
    with ThreadPoolExecutor(1) as given, Workers(1, given) as workers, pytest.raises(SandboxError) as caught:
        workers.map(roll_out, [work])
    expected = rf"the worker on \S+ \(process {os.getpid()}\) has no kernel tier, only (wasm and )?weak: .*Landlock"
    assert re.match(expected, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_worker_that_measures_otherwise_is_told(tmp_path: Path) -> None:
    work = replace(of_ones_own(tmp_path), measures="others")
    with ThreadPoolExecutor(1) as given, Workers(1, given) as workers, pytest.raises(WorkerError, match="measures other features"):
        workers.map(roll_out, [work])


def servers_of(work: Rollout) -> tuple[int, list[int]]:
    """This process, and the parents of the servers that run programs for it."""
    roll_out(work)
    servers = rollout._sandbox("kernel").server_pids()
    return os.getpid(), [int(Path(f"/proc/{one}/stat").read_text("ascii").rpartition(")")[2].split()[1]) for one in servers]


def test_programs_run_in_the_worker_s_own_fork_servers(tmp_path: Path, processes: Executor) -> None:
    work = of_ones_own(tmp_path)
    with Workers(1, processes) as workers:
        ((worker, parents),) = workers.map(servers_of, [work])
    assert worker != os.getpid()
    assert parents == [worker, worker]


@pytest.mark.parametrize("role", ["mutator", "user"])
def test_limits_hold_while_dialogues_are_played_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Executor, role: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with ModelServer(person_or_agent) as server:
        config = settings(tmp_path, "spent", candidates=40, models={role: f"openai:small@{server.openai_url}"}, max_calls=9)
        with pytest.raises(BudgetError, match="--max-calls 9"):
            search(config, executor=processes)
        asked = server.counters.requests.total()
    assert 0 < asked <= 9
    with Archive.read(tmp_path / "spent.duckdb") as archive:
        assert archive.query("SELECT count(*)::INTEGER FROM model_calls")[1] == [(asked,)]


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'personaevo\[ray\]'"), executors.executor("ray", None):
        pass

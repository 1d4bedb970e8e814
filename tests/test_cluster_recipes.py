"""The recipes for clusters, with stand-ins: a loop in place of Slurm's array, processes of one's own in place of MPI's ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile, which
from typing import Any

import pytest

import personaevo as pe
from examples.cluster.mpi_search import parsed, searched
from personaevo.archive import Archive
from tests.evolve.evolve_cases import SMALL as COMMON
from tests.once import archive_of

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "examples" / "cluster"
FEW = ("--domain", "service", "--candidates", "2")
SMALL: dict[str, Any] = {name: value for name, value in COMMON.items() if name not in ("candidates", "jobs", "seed")}


@pytest.fixture
def ended() -> Path:
    """What a search with seed 5 comes to in this process."""
    return archive_of(**SMALL, candidates=2, jobs=1, seed=5)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which ``personaevo`` is this checkout's."""
    command = tmp_path / "bin" / "personaevo"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m personaevo "$@"\n', "utf-8")
    command.chmod(0o755)
    paths = {"PATH": [str(command.parent), os.environ["PATH"]], "PYTHONPATH": [str(ROOT), *sys.path]}
    return {**os.environ, **{name: os.pathsep.join(folders) for name, folders in paths.items()}}


def run(recipe: str, *arguments: str, where: Path, environment: dict[str, str]) -> str:
    command = ["bash", str(RECIPES / recipe), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=where, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_array_of_seeds_is_merged(tmp_path: Path, environment: dict[str, str], ended: Path) -> None:
    (tmp_path / "small.toml").write_text("\n".join(f"{name} = {value!r}" for name, value in SMALL.items()), "utf-8")
    (tmp_path / "runs").mkdir()
    copyfile(ended, tmp_path / "runs" / "seed_5.duckdb")
    for number in ("5", "6"):  # the first is put back into the queue after its end
        task = {**environment, "SLURM_ARRAY_TASK_ID": number, "SLURM_CPUS_PER_TASK": "1"}
        run("slurm_seeds.sh", "runs", "small.toml", *FEW, where=tmp_path, environment=task)
    said = run("slurm_merge.sh", "runs", "all.duckdb", where=tmp_path, environment=environment)
    with Archive.read(tmp_path / "all.duckdb") as merged:
        merged.verify_digest()
        assert [one.settings["seed"] for one in merged.runs()] == [5, 6]
        assert [len(merged.commits(one.id)) for one in merged.runs()] == [2, 2]
        with Archive.read(ended) as before:
            assert merged.digest(merged.runs()[0].id) == before.digest(before.run().id)
    assert "all.duckdb" in said


def test_ranks_find_what_processes_here_find(tmp_path: Path, ended: Path) -> None:
    config = parsed([str(tmp_path / "ranks.duckdb"), *FEW, "--seed", "5"]).model_copy(update=SMALL)
    with ProcessPoolExecutor(2, get_context("spawn")) as ranks:
        said = searched(config, ranks)
    assert said.startswith("2 candidates, ")
    with Archive.read(ended) as here:
        assert said.endswith(f"digest {here.digest(here.run().id)}")
    again = pe.search(config.model_copy(update={"jobs": 1, "resume": True}))  # what ranks began goes on without them
    assert said.endswith(f"digest {again.digest}")
    assert pe.search(config.model_copy(update={"jobs": 1, "resume": True, "candidates": 3})).candidates == 3


@pytest.mark.skipif(which("mpiexec") is None or find_spec("mpi4py") is None, reason="no MPI")
def test_real_ranks(tmp_path: Path, environment: dict[str, str]) -> None:
    recipe = [sys.executable, "-m", "mpi4py.futures", str(RECIPES / "mpi_search.py"), str(tmp_path / "a.duckdb"), *FEW]
    allowed = {f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")}  # in containers
    crowded = {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    ranks = {**environment, **allowed, **crowded}
    command = ["mpiexec", "-n", "3", *recipe]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=ranks)
    assert done.returncode == 0, done.stderr
    assert "2 candidates, " in done.stdout

"""One search on the ranks of an MPI job: rank 0 breeds, scores and writes the archive, all others play dialogues.

    mpiexec -n 65 python -m mpi4py.futures examples/cluster/mpi_search.py service.duckdb --candidates 5000 --lag 128

Every rank needs this version of personaevo and a working sandbox; only rank 0 needs files. A lag of twice the ranks keeps them busy. MPI
ends the whole job when a rank dies: start it again with ``--resume``, and the result is the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import personaevo as pe


def searched(config: pe.SearchConfig, executor: Executor) -> str:
    """The result of a search on the executor, in one line."""
    result = pe.search(config, executor=executor)
    return f"{result.candidates} candidates, {result.episodes} dialogues in {result.archive}, digest {result.digest}"


def parsed(arguments: Sequence[str] | None = None) -> pe.SearchConfig:
    """The settings of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--lag", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    return pe.SearchConfig(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as ranks:
        print(searched(parsed(), ranks))

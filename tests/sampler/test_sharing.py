"""One sampler in several threads and processes."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from personaevo.errors import ConfigError
from personaevo.models import Models
from personaevo.sampler import PersonaSampler, SampledPersona

JOBS = [(task, seed, where) for task in (None, "sell my bike") for seed in range(4) for where in (None, "words_per_turn < 9")]


@pytest.fixture(scope="module")
def sampler(stored_archive: Path) -> Iterator[PersonaSampler]:
    with PersonaSampler(stored_archive) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(sampler: PersonaSampler) -> list[list[SampledPersona]]:
    return [sample(sampler, job) for job in JOBS]


def sample(sampler: PersonaSampler, job: tuple[str | None, int, str | None]) -> list[SampledPersona]:
    """One job."""
    task, seed, where = job
    return sampler.sample(task, 4, seed=seed, where=where)


def in_a_child(sampler: PersonaSampler, job: tuple[str | None, int, str | None], send: object) -> None:
    """The same, sent back."""
    with sampler:
        send.send(sample(sampler, job))  # type: ignore[attr-defined]


def test_threads(stored_archive: Path, expected: list[list[SampledPersona]]) -> None:
    with PersonaSampler(stored_archive) as sampler, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda job: sample(sampler, job), JOBS)) == expected


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes(method: str, sampler: PersonaSampler, expected: list[list[SampledPersona]]) -> None:
    context = multiprocessing.get_context(method)
    started = []
    for job in (JOBS[3], JOBS[9]):
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=in_a_child, args=(sampler, job, send))
        process.start()
        started.append((process, receive))
    assert [receive.recv() for _, receive in started] == [expected[3], expected[9]]
    for process, _ in started:
        process.join(20)
        assert process.exitcode == 0
    assert sample(sampler, JOBS[9]) == expected[9]


def test_a_sampler_can_be_pickled_unless_it_has_models(
    sampler: PersonaSampler, stored_archive: Path, expected: list[list[SampledPersona]]
) -> None:
    with pickle.loads(pickle.dumps(sampler)) as copy:
        assert [sample(copy, job) for job in JOBS[:3]] == expected[:3]
        assert sample(copy, JOBS[9]) == expected[9]
    with pytest.raises(ConfigError, match="a sampler with models cannot be sent to another process"):
        pickle.dumps(PersonaSampler(stored_archive, models=Models({}, None)))  # type: ignore[arg-type]

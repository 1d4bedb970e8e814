"""Worker processes: results in order, one process or several, side by side, and lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from personaevo.errors import WorkerError
from personaevo.workers import LOST_TWICE, LostError, Workers, processors


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs: int) -> None:
    with Workers(jobs) as workers:
        assert workers.map(abs, [-3, 1, -2]) == [3, 1, 2]
        assert workers.map(abs, []) == []
        assert workers.submit(abs, -7).result() == 7


def test_errors_of_the_work_are_raised() -> None:
    with Workers(2) as workers, pytest.raises(ZeroDivisionError):
        workers.map((1).__truediv__, [1, 0])


def test_two_at_a_time_do_not_end_each_other() -> None:
    with Workers(2) as outer:
        assert outer.map(abs, [-1]) == [1]
        with Workers(2) as inner:
            assert inner.map(abs, [-2]) == [2]
        assert outer.map(abs, [-3]) == [3]


def test_lost_workers_are_replaced() -> None:
    with Workers(2) as workers:
        with pytest.raises(LostError):
            workers.result(workers.submit(signal.raise_signal, signal.SIGKILL))
        assert workers.map(abs, [-1, -2]) == [1, 2]


def test_work_that_kills_is_given_up_in_one_line() -> None:
    with Workers(2) as workers, pytest.raises(WorkerError) as caught:
        workers.map(signal.raise_signal, [signal.SIGKILL])
    assert str(caught.value) == LOST_TWICE
    assert "\n" not in LOST_TWICE


def test_there_is_a_processor() -> None:
    assert processors() >= 1
    assert Workers(None).jobs == processors()


class KilledWorker(Exception):  # noqa: N818 - its name is Dask's
    """What Dask says of a task whose workers died."""


class Losing(Executor):
    """Loses the first pieces of work."""

    def __init__(self, times: int) -> None:
        self.left, self.inner = times, ThreadPoolExecutor(1)

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.left -= 1
        if self.left < 0:
            return self.inner.submit(function, *args, **named)
        lost: Future[Any] = Future()
        lost.set_exception(KilledWorker("the worker died"))
        return lost


def test_an_executor_of_ones_own_is_used_and_not_ended() -> None:
    with ThreadPoolExecutor(2) as given:
        with Workers(None, given) as workers:
            assert workers.map(abs, [-1, -2]) == [1, 2]
        assert given.submit(abs, -3).result() == 3


def test_a_worker_that_is_lost_elsewhere_costs_another_try() -> None:
    with Workers(1, Losing(2)) as workers:
        assert workers.map(abs, [-1, -2, -3]) == [1, 2, 3]
    with Workers(1, Losing(1)) as workers:
        assert workers.twice(abs, -1) == 1
    with Workers(1, Losing(9)) as workers, pytest.raises(WorkerError, match="lost twice"):
        workers.twice(abs, -1)


def test_an_executor_that_takes_no_more_is_one_line() -> None:
    given = ThreadPoolExecutor(1)
    given.shutdown()
    with Workers(1, given) as workers, pytest.raises(WorkerError, match="takes no more work: cannot schedule"):
        workers.map(abs, [-1])


def test_a_loss_that_is_seen_late_does_not_end_the_next_executor() -> None:
    with Workers(2) as workers:
        both = [workers.submit(signal.raise_signal, signal.SIGKILL) for _ in range(2)]
        with pytest.raises(LostError):
            workers.result(both[0])
        under_way = workers.submit(time.sleep, 0.5)
        with pytest.raises(LostError):
            workers.result(both[1])
        workers.result(under_way)

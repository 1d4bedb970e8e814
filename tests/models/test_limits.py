"""Places and turns at an endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from personaevo.errors import BudgetError
from personaevo.models.adapter import EventLoopThread
from personaevo.models.retry import RateLimit


class Counting:
    """Remembers how many were inside of a gate at the same time; each goes on when ``enough`` are there."""

    def __init__(self, enough: int) -> None:
        self.most = self.now = self.calls = 0
        self._enough = asyncio.Barrier(enough)

    async def visit(self, gate: RateLimit) -> None:
        async with gate:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
            await asyncio.wait_for(self._enough.wait(), 10)
            self.now -= 1


async def _all_visit(gate: RateLimit, places: int, count: int) -> Counting:
    counting = Counting(places)
    await asyncio.gather(*(counting.visit(gate) for _ in range(count)))
    return counting


@pytest.mark.parametrize("places", [1, 4, 16])
def test_at_most_so_many_at_once_and_as_many(places: int) -> None:
    counting = asyncio.run(_all_visit(RateLimit(places), places, 32))
    assert (counting.most, counting.calls) == (places, 32)


def test_a_place_is_given_back_after_an_error() -> None:
    async def fail(gate: RateLimit) -> None:
        async with gate:
            raise ValueError("no")

    gate = RateLimit(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            asyncio.run(fail(gate))


class Clock:
    """A time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def _pass(gate: RateLimit) -> None:
    async with gate:
        pass


def enter(gate: RateLimit) -> None:
    asyncio.run(_pass(gate))


@pytest.mark.parametrize(("per_minute", "interval"), [(60.0, 1.0), (600.0, 0.1), (0.5, 120.0)])
def test_turns_are_evenly_spaced(clock: Clock, per_minute: float, interval: float) -> None:
    gate = RateLimit(16, per_minute, clock.time, clock.sleep)
    turns = []
    for _ in range(5):
        enter(gate)
        turns.append(clock.now)
    assert [later - earlier for earlier, later in pairwise(turns)] == pytest.approx([interval] * 4)


def test_idle_time_is_not_saved_up(clock: Clock) -> None:
    gate = RateLimit(16, 60.0, clock.time, clock.sleep)
    enter(gate)
    clock.now += 100.0
    enter(gate)
    assert clock.sleeps == []
    enter(gate)
    assert clock.sleeps == [1.0]


def test_without_a_limit_nobody_waits(clock: Clock) -> None:
    gate = RateLimit(1, None, clock.time, clock.sleep)
    for _ in range(100):
        enter(gate)
    assert clock.sleeps == []


def test_all_get_turns_of_their_own(clock: Clock) -> None:
    gate = RateLimit(16, 60.0, lambda: 5.0, clock.sleep)  # a time that stands still: everybody asks at the same moment

    async def together() -> None:
        await asyncio.gather(*(_pass(gate) for _ in range(16)))

    asyncio.run(together())
    assert sorted(clock.sleeps) == [float(second) for second in range(1, 16)]


def test_who_waits_is_sent_away_when_the_search_ends() -> None:
    """For a turn, and for a place."""
    loop, gate = EventLoopThread(), RateLimit(2, 0.001)  # a turn in 17 hours

    async def nothing() -> None: ...

    loop.run(nothing, gate, 1.0)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(loop.run, nothing, gate, 1.0) for _ in range(4)]
        _until(gate._places.locked)
        loop.close()
        assert [type(one.exception(10)) for one in waiting] == [BudgetError] * 4
    assert gate._places._value == 2  # the places are free again
    with pytest.raises(BudgetError):
        loop.run(nothing, gate, 1.0)


def test_waiting_for_a_place_is_not_an_answer_that_takes_too_long() -> None:
    loop, gate = EventLoopThread(), RateLimit(1)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(loop.run, lambda: asyncio.sleep(0.05), gate, 0.15) for _ in range(4)]:
            done.result(10)
        with pytest.raises(TimeoutError):
            loop.run(lambda: asyncio.sleep(5), gate, 0.05)
    loop.close()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_clock_is_monotonic() -> None:
    assert RateLimit.__init__.__defaults__ is not None
    assert time.monotonic in RateLimit.__init__.__defaults__

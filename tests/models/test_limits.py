"""Places and turns at an endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from personaevo.errors import BudgetError
from personaevo.models.limits import Gate, Limited
from personaevo.records import Message, Reply

ASKED = [Message("user", "hello")]


class Counting:
    """A model that remembers how many asked it at the same time; each is answered when ``enough`` are there, or after a moment."""

    def __init__(self, enough: int) -> None:
        self.most = self.now = self.calls = 0
        self._enough = threading.Barrier(enough)
        self._lock = threading.Lock()

    def reply(self, messages: Sequence[Message], **options: Any) -> Reply:
        with self._lock:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
        self._enough.wait(10)
        with self._lock:
            self.now -= 1
        return Reply(str(options))


@pytest.mark.parametrize("places", [1, 4, 16])
def test_at_most_so_many_at_once_and_as_many(places: int) -> None:
    model = Counting(places)
    limited = Limited(model, Gate(places))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: limited.reply(ASKED), range(32)))
    assert (model.most, model.calls) == (places, 32)


def test_models_share_a_gate() -> None:
    model, gate = Counting(3), Gate(3)
    both = [Limited(model, gate), Limited(model, gate)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: both[number % 2].reply(ASKED), range(30)))
    assert model.most == 3


def test_a_place_is_given_back_after_an_error() -> None:
    class Failing:
        def reply(self, messages: Sequence[Message], **_: Any) -> Reply:
            raise ValueError("no")

    limited = Limited(Failing(), Gate(1))
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            limited.reply(ASKED)


def test_what_is_asked_goes_through() -> None:
    assert Limited(Counting(1), Gate(1)).reply(ASKED, sample=3).text == "{'schema': None, 'sample': 3}"


class Clock(threading.Event):
    """A time that passes by waiting for this event only, which never happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.sleeps.append(timeout)
        self.now += timeout
        return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


def enter(gate: Gate) -> None:
    with gate:
        pass


@pytest.mark.parametrize(("per_minute", "interval"), [(60.0, 1.0), (600.0, 0.1), (0.5, 120.0)])
def test_turns_are_evenly_spaced(clock: Clock, per_minute: float, interval: float) -> None:
    gate = Gate(16, per_minute, clock.time, clock)
    turns = []
    for _ in range(5):
        enter(gate)
        turns.append(clock.now)
    assert [later - earlier for earlier, later in pairwise(turns)] == pytest.approx([interval] * 4)


def test_idle_time_is_not_saved_up(clock: Clock) -> None:
    gate = Gate(16, 60.0, clock.time, clock)
    enter(gate)
    clock.now += 100.0
    enter(gate)
    assert clock.sleeps == []
    enter(gate)
    assert clock.sleeps == [1.0]


def test_without_a_limit_nobody_waits(clock: Clock) -> None:
    gate = Gate(1, None, clock.time, clock)
    for _ in range(100):
        enter(gate)
    assert clock.sleeps == []


def test_threads_get_turns_of_their_own(clock: Clock) -> None:
    gate = Gate(16, 60.0, lambda: 5.0, clock)  # a time that stands still: everybody asks at the same moment
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: enter(gate), range(16)))
    assert sorted(clock.sleeps) == [float(second) for second in range(1, 16)]


def test_who_waits_for_a_turn_is_sent_away_when_the_search_ends() -> None:
    stopping = threading.Event()
    gate = Gate(2, 0.001, stopping=stopping)  # a turn in 17 hours
    enter(gate)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(enter, gate) for _ in range(4)]
        stopping.set()
        assert [type(one.exception(10)) for one in waiting] == [BudgetError] * 4
    assert gate._places.acquire(blocking=False)  # the places are free again
    assert gate._places.acquire(blocking=False)


def test_the_clock_is_monotonic() -> None:
    assert Gate.__init__.__defaults__ is not None
    assert time.monotonic in Gate.__init__.__defaults__

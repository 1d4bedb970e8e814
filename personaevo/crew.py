"""Threads in place of worker processes, for searches that wait for models: one process, many calls at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self, TypeVar

Value = TypeVar("Value")
_LOOK_SECONDS = 1.0


class Crew:
    """Has the methods of ``Workers``. Pieces of work (``directors``) play their dialogues at the same time (``players``).

    ``meanwhile`` is called about once a second by whoever waits.
    """

    def __init__(self, directors: int, players: int, meanwhile: Callable[[], None]) -> None:
        self.players = ThreadPoolExecutor(players, "player")
        self._directors = ThreadPoolExecutor(directors, "director")
        self._meanwhile = meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(kill=kind is not None)

    def submit(self, function: Callable[[Any], Value], work: Any) -> Future[Value]:
        """Runs ``function(work)`` in a thread, in the caller's context (``contextvars``)."""
        return self._directors.submit(copy_context().run, function, work)

    def map(self, function: Callable[[Any], Value], works: Sequence[Any]) -> list[Value]:
        """The results of ``function(work)`` for all works, in order."""
        return [self.result(future) for future in [self.submit(function, work) for work in works]]

    def result(self, future: Future[Value]) -> Value:
        """The future's result, when it is there."""
        self.wait(future)
        return future.result()

    def wait(self, future: Future[Any]) -> None:
        """Waits for any future, and looks after what comes meanwhile."""
        while not wait([future], timeout=_LOOK_SECONDS).done:
            self._meanwhile()

    def stop(self, *, kill: bool) -> None:
        """Ends the threads when they are done; if ``kill``, without what has not begun."""
        for pool in (self._directors, self.players):
            pool.shutdown(wait=True, cancel_futures=kill)

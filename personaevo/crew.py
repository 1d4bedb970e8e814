"""Pools that run the work of a search: the interface, and threads for searches that wait for models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import copy_context
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

Value = TypeVar("Value")
_POLL_SECONDS = 1.0


class WorkerPool(AbstractContextManager["WorkerPool"], Protocol):
    """Runs functions of one argument, in processes (``Workers``) or in threads (``ThreadPool``). A context manager: leaving it stops it."""

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """Start ``function(work)``."""
        ...

    def result(self, future: Future[Any]) -> Any:
        """Wait for the result of a submitted call."""
        ...

    def map(self, function: Callable[[Any], Any], works: Sequence[Any]) -> list[Any]:
        """The results of ``function(work)`` for all works, in order."""
        ...

    def stop(self, *, kill: bool) -> None:
        """Stop the workers; with ``kill`` without finishing their work."""
        ...


class ThreadPool:
    """A thread pool for candidates (``directors`` threads), and one for their dialogues (``players``), which run at the same time.

    A waiting caller calls ``meanwhile`` about once a second.
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
        """Run ``function(work)`` in a thread, in the caller's context (``contextvars``)."""
        return self._directors.submit(copy_context().run, function, work)

    def map(self, function: Callable[[Any], Value], works: Sequence[Any]) -> list[Value]:
        """The results of ``function(work)`` for all works, in order."""
        return [self.result(future) for future in [self.submit(function, work) for work in works]]

    def result(self, future: Future[Value]) -> Value:
        """Wait for the future's result."""
        self.wait(future)
        return future.result()

    def wait(self, future: Future[Any]) -> None:
        """Wait for any future, calling ``meanwhile``."""
        while not wait([future], timeout=_POLL_SECONDS).done:
            self._meanwhile()

    def stop(self, *, kill: bool) -> None:
        """Wait for the threads to end; with ``kill`` drop work that has not begun."""
        for pool in (self._directors, self.players):
            pool.shutdown(wait=True, cancel_futures=kill)

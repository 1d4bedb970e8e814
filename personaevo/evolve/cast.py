"""Players of dialogues other than the embedded engine, and a pool of sandboxes for their threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

from personaevo.chat import ChatModel
from personaevo.evolve.outside import DialogueQueue
from personaevo.programs import Sandbox
from personaevo.simulate.episodes import MakeAgent, MakeUser

Value = TypeVar("Value")


class SandboxPool:
    """A pool of sandboxes for several threads; each thread has exclusive use of one while it runs a program."""

    def __init__(self, make: Callable[[], Sandbox]) -> None:
        self._make = make
        self._free: SimpleQueue[Sandbox] = SimpleQueue()
        self._all: list[Sandbox] = []

    @contextmanager
    def one(self) -> Iterator[Sandbox]:
        """Context manager: a free sandbox, or a new one if all are in use."""
        if self._free.empty():
            sandbox = self._make()
            self._all.append(sandbox)
        else:
            sandbox = self._free.get()
        try:
            yield sandbox
        finally:
            self._free.put(sandbox)

    def close(self) -> None:
        """Close all sandboxes."""
        for sandbox in self._all:
            sandbox.close()


class ThreadSafeCounter:
    """A thread-safe counter."""

    def __init__(self) -> None:
        self.number = 0
        self._lock = Lock()

    def add(self, some: int) -> None:
        """Add ``some`` to the number."""
        with self._lock:
            self.number += some


@dataclass(frozen=True)
class Players:
    """The players of a search with models; None stands for the embedded engine.

    Dialogues run in the threads of ``executor``, or are all played ``outside`` of the search. ``played`` counts them.
    """

    make_user: MakeUser | None
    make_agent: MakeAgent | None
    generator: ChatModel | None
    executor: Executor
    sandboxes: SandboxPool
    outside: DialogueQueue | None = None
    played: ThreadSafeCounter = field(default_factory=ThreadSafeCounter)

    def all(self, jobs: Sequence[Callable[[], Value]]) -> list[Value]:
        """Results of the jobs in order. If one raises, jobs that have not started are cancelled."""
        futures: list[Future[Value]] = [self.executor.submit(self._counted, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            wait(futures)
            raise

    def _counted(self, job: Callable[[], Value]) -> Value:
        done = job()
        self.played.add(1)
        return done

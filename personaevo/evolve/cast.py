"""Who plays the users, the agent and the programs' model where that is not the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

from personaevo.evolve.outside import Outside
from personaevo.programs import Sandbox
from personaevo.records import ChatModel
from personaevo.simulate.episodes import MakeAgent, MakeUser

Value = TypeVar("Value")


class Boxes:
    """Sandboxes for several threads: each has one to itself while it runs a program. A context manager ends them."""

    def __init__(self, make: Callable[[], Sandbox]) -> None:
        self._make = make
        self._free: SimpleQueue[Sandbox] = SimpleQueue()
        self._all: list[Sandbox] = []

    @contextmanager
    def one(self) -> Iterator[Sandbox]:
        """A sandbox that nobody else uses; started if all others are in use."""
        box = self._free.get() if not self._free.empty() else self._new()
        try:
            yield box
        finally:
            self._free.put(box)

    def _new(self) -> Sandbox:
        box = self._make()
        self._all.append(box)
        return box

    def close(self) -> None:
        """End them all."""
        for box in self._all:
            box.close()


class Count:
    """A number that several threads add to."""

    def __init__(self) -> None:
        self.number = 0
        self._lock = Lock()

    def add(self, some: int) -> None:
        """Adds ``some``."""
        with self._lock:
            self.number += some


@dataclass(frozen=True)
class Cast:
    """The players of a search with models; None is the embedded one. Dialogues are played by ``players``, many at a time, or all of them
    ``outside`` of the search; ``played`` counts them."""

    make_user: MakeUser | None
    make_agent: MakeAgent | None
    generator: ChatModel | None
    players: Executor
    boxes: Boxes
    outside: Outside | None = None
    played: Count = field(default_factory=Count)

    def all(self, jobs: Sequence[Callable[[], Value]]) -> list[Value]:
        """What the jobs return, in order. The first that raises ends those that have not begun."""
        futures: list[Future[Value]] = [self.players.submit(self._counted, job) for job in jobs]
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

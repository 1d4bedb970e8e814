"""Players of dialogues other than the embedded engine, and a pool of sandboxes for their threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeVar

from personaevo import records
from personaevo.chat import ChatModel, Role
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, InputError, PersonaevoError
from personaevo.programs import Sandbox
from personaevo.readers import layouts
from personaevo.records import Dialogue, Episode, PlanItem, Task
from personaevo.simulate.directions import Persona
from personaevo.simulate.episodes import MakeAgent, MakeUser
from personaevo.simulate.own_users import played
from personaevo.text import one_line, without_secrets

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


_SHOWN = 300  # most characters of an error message
_EXPECTED = "expected a Dialogue, a list of turns (role and content), or an exception if it failed"


class ClosedError(PersonaevoError):
    """The search was closed before its end; it can be resumed from its archive."""


@dataclass(frozen=True, slots=True)
class Request:
    """One dialogue to play: ``persona`` (None: the simulator's default user) on ``task``. Equal tasks, personas and seeds must give equal
    dialogues."""

    id: int
    task: Task
    persona: Persona | None
    seed: int


@dataclass(frozen=True, slots=True)
class PlannedDialogue:
    """A dialogue to play, with its plan item and domain."""

    task: Task
    persona: records.Persona | None
    item: PlanItem
    domain: Domain


class DialogueQueue:
    """Thread-safe queue between the search, which waits for dialogues, and their external player, whose ``id`` is recorded."""

    def __init__(self, name: str) -> None:
        self.id = name
        self._changed = threading.Condition()
        self._count = 0
        self._waiting: deque[Request] = deque()
        self._open: dict[int, tuple[PlannedDialogue, Future[Episode]]] = {}
        self._over = False

    def play(self, wanted: Sequence[PlannedDialogue]) -> list[Episode]:
        """Request dialogues and wait for all their results.

        Raises:
            ClosedError: the search is closed.
        """
        with self._changed:
            if self._over:
                raise ClosedError("the search is closed")
            futures = []
            for one in wanted:
                self._count += 1
                persona = None if one.persona is None else Persona.model_construct(**dict(one.persona))
                self._waiting.append(Request(self._count, one.task, persona, one.item.seed))
                futures.append(Future[Episode]())
                self._open[self._count] = one, futures[-1]
            self._changed.notify_all()
        return [future.result() for future in futures]

    def ask(self, timeout: float | None = None) -> tuple[Request, ...]:
        """Wait up to ``timeout`` seconds for new requests, and return them; empty after ``close``."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over, timeout)
            found = tuple(self._waiting)
            self._waiting.clear()
            return found

    def tell(self, results: Mapping[int, Any]) -> None:
        """Accept results by the ids of their requests.

        Raises:
            ConfigError: an id is not pending. InputError: a value is no dialogue. In both cases nothing is accepted.
        """
        with self._changed:
            known = {number: self._open.get(number) for number in results}
        strange = next((number for number, one in known.items() if one is None), None)
        if strange is not None:
            raise ConfigError(f"tell: no dialogue {strange!r:.40} is pending: give each id of ask() once")
        episodes = {number: _episode(one[0], results[number], number) for number, one in known.items() if one is not None}
        with self._changed:
            settled = [(self._open.pop(number)[1], episode) for number, episode in episodes.items()]
        for future, episode in settled:
            future.set_result(episode)

    def close(self) -> None:
        """Stop requesting dialogues; pending calls of ``play`` raise ClosedError."""
        with self._changed:
            self._over = True
            left = [future for _, future in self._open.values()]
            self._open.clear()
            self._waiting.clear()
            self._changed.notify_all()
        for future in left:
            future.set_exception(ClosedError("the search is closed"))


def _episode(wanted: PlannedDialogue, given: Any, number: int) -> Episode:
    """The episode of a reported result."""
    if isinstance(given, BaseException):
        said = without_secrets(one_line(f"{type(given).__name__}: {given}"[: 2 * _SHOWN]))[:_SHOWN]
        return Episode(wanted.item, "failed", persona=wanted.persona, reason=said, fault="infrastructure")
    return played(wanted.task, wanted.persona, wanted.item, wanted.domain, _tickets(given, number))


def _tickets(given: Any, number: int) -> list[tuple[Role, str]]:
    """The turns of a reported dialogue; raises InputError if it is none."""
    if isinstance(given, Dialogue):
        return [(turn.role, turn.content) for turn in given.turns]
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise InputError(f"tell: dialogue {number}: {_EXPECTED}, got a value of type {type(given).__name__}")
    roles = layouts.Roles()
    return [turn for one in given if (turn := _turn(one, number, roles)) is not None]


def _turn(given: Any, number: int, roles: layouts.Roles) -> tuple[Role, str] | None:
    """One turn; None for turns of neither side, such as system messages."""
    if isinstance(given, Mapping):
        role, content = given.get("role"), given.get("content")
    elif isinstance(given, Sequence) and len(given) == 2 and not isinstance(given, str):
        role, content = given
    else:
        role, content = getattr(given, "role", None), getattr(given, "content", None)
    side = roles.side(role) if isinstance(role, str) else None
    if side == "nobody":
        return None
    if side is None or not isinstance(content, str):
        raise InputError(f"tell: dialogue {number}: expected turns with the role user or assistant and a text, got {given!r:.80}")
    return ("user" if side == "user" else "assistant"), content

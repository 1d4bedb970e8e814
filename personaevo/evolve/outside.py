"""Dialogues that are played elsewhere: a search asks for them, whoever plays them tells how they went."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from personaevo import records
from personaevo.definitions import Domain
from personaevo.errors import ConfigError, InputError, PersonaevoError
from personaevo.readers import layouts
from personaevo.records import Dialogue, Episode, PlanItem, Role, Task
from personaevo.simulate.own_users import played
from personaevo.simulate.persona import Persona
from personaevo.text import one_line, without_secrets

_SHOWN = 300  # characters of an error
_EXPECTED = "expected a Dialogue, a list of turns (role and content), or an exception where it failed"


class ClosedError(PersonaevoError):
    """The search was closed before it ended; its archive goes on with resume."""


@dataclass(frozen=True, slots=True)
class Request:
    """One dialogue to play: ``persona`` (None: as your simulator plays unasked) about ``task``. Equal tasks, personas and seeds are to give
    equal dialogues."""

    id: int
    task: Task
    persona: Persona | None
    seed: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dialogue that a search needs."""

    task: Task
    persona: records.Persona | None
    item: PlanItem
    domain: Domain


class Outside:
    """Stands between a search's threads, which ask for dialogues and wait, and whoever plays them; ``id`` is what is recorded of these."""

    def __init__(self, name: str) -> None:
        self.id = name
        self._changed = threading.Condition()
        self._count = 0
        self._waiting: deque[Request] = deque()
        self._open: dict[int, tuple[Wanted, Future[Episode]]] = {}
        self._over = False

    def play(self, wanted: Sequence[Wanted]) -> list[Episode]:
        """The episodes, once all of them were told.

        Raises:
            ClosedError: the search is closed.
        """
        with self._changed:
            if self._over:
                raise ClosedError("the search is closed")
            futures = [self._asked(one) for one in wanted]
            self._changed.notify_all()
        return [future.result() for future in futures]

    def _asked(self, wanted: Wanted) -> Future[Episode]:
        self._count += 1
        persona = None if wanted.persona is None else Persona.model_construct(**dict(wanted.persona))
        self._waiting.append(Request(self._count, wanted.task, persona, wanted.item.seed))
        self._open[self._count] = wanted, Future()
        return self._open[self._count][1]

    def ask(self, timeout: float | None = None) -> tuple[Request, ...]:
        """What waits to be played, and was not given out yet; waits for something, at most so many seconds. Nothing once it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over, timeout)
            found = tuple(self._waiting)
            self._waiting.clear()
            return found

    def tell(self, results: Mapping[int, Any]) -> None:
        """How dialogues went.

        Raises:
            ConfigError: one of them is not under way. InputError: one is no dialogue. Nothing of them is taken then.
        """
        with self._changed:
            known = {number: self._open.get(number) for number in results}
        strange = next((number for number, one in known.items() if one is None), None)
        if strange is not None:
            raise ConfigError(f"tell: no dialogue {strange!r:.40} is under way: give the ids that ask() gave, each once")
        episodes = {number: _episode(one[0], results[number], number) for number, one in known.items() if one is not None}
        with self._changed:
            settled = [(self._open.pop(number)[1], episode) for number, episode in episodes.items()]
        for future, episode in settled:
            future.set_result(episode)

    def close(self) -> None:
        """Nothing more is asked; whoever waits for a dialogue meets ClosedError."""
        with self._changed:
            self._over = True
            left = [future for _, future in self._open.values()]
            self._open.clear()
            self._waiting.clear()
            self._changed.notify_all()
        for future in left:
            future.set_exception(ClosedError("the search is closed"))


def _episode(wanted: Wanted, given: Any, number: int) -> Episode:
    if isinstance(given, BaseException):
        said = without_secrets(one_line(f"{type(given).__name__}: {given}"[: 2 * _SHOWN]))[:_SHOWN]
        return Episode(wanted.item, "failed", persona=wanted.persona, reason=said, fault="infrastructure")
    return played(wanted.task, wanted.persona, wanted.item, wanted.domain, _turns(given, number))


def _turns(given: Any, number: int) -> list[tuple[Role, str]]:
    if isinstance(given, Dialogue):
        return [(turn.role, turn.content) for turn in given.turns]
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise InputError(f"tell: dialogue {number}: {_EXPECTED}, got a value of type {type(given).__name__}")
    roles = layouts.Roles()
    return [turn for one in given if (turn := _turn(one, number, roles)) is not None]


def _turn(given: Any, number: int, roles: layouts.Roles) -> tuple[Role, str] | None:
    """One turn; None for those of nobody, such as the system's."""
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

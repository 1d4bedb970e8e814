"""How many calls an endpoint gets at once, and how many a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from personaevo.errors import BudgetError
from personaevo.records import ChatModel, Message, Reply


class Gate:
    """Lets ``at_once`` through at a time, and at most ``per_minute`` (evenly spaced), if that is given.

    Raises:
        BudgetError: ``stopping`` was set while someone waited for a turn.
    """

    def __init__(
        self, at_once: int, per_minute: float | None = None, clock: Callable[[], float] = time.monotonic,
        stopping: threading.Event | None = None,
    ) -> None:  # fmt: skip
        self._places = threading.BoundedSemaphore(at_once)
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._stopping = clock, stopping or threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0

    def __enter__(self) -> None:
        self._places.acquire()
        wait = self._turn()
        if wait > 0 and self._stopping.wait(wait):
            self._places.release()
            raise BudgetError("the search is ending: nothing new is asked")

    def __exit__(self, *error: object) -> None:
        self._places.release()

    def _turn(self) -> float:
        """Seconds until the next free moment, which is taken."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
            return turn - now


class Limited:
    """A model behind a gate that it shares with others of its endpoint. Inside of retries: who waits to ask again takes no place."""

    def __init__(self, model: ChatModel, gate: Gate) -> None:
        self._model, self._gate = model, gate

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer, when there is a place."""
        with self._gate:
            return self._model.reply(messages, schema=schema, sample=sample)

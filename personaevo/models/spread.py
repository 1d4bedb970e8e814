"""One model at several addresses: each question goes to where the fewest are under way, and from one that fails to the next.

An address that asks to wait is left alone for so long; one where nothing listens, or that failed three times in a row, is away for a while
that grows, and then one question tries it. What no address answers is for the caller, as with a single one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import BaseModel

from personaevo.errors import BudgetError
from personaevo.models.limits import Gate
from personaevo.models.refusals import TransientError
from personaevo.models.retry import EMPTY
from personaevo.records import ChatModel, Message, Reply

_FAILURES = 3  # in a row: then it is away
_FIRST_AWAY, _LONGEST_AWAY = 1.0, 60.0  # seconds
_RATE_SECONDS = 1.0  # of rest, where an address refuses for its rate and does not say how long
_LOOK_SECONDS = 1.0


@dataclass(eq=False)
class Place:
    """What all roles know of one address: its gate, how many calls it takes at a time and has under way, the number of its latest call,
    failures in a row, when it may be asked next (by the clock of ``Places``), and for how many seconds it is away (0: it is not)."""

    gate: Gate
    at_once: int
    busy: int = 0
    latest: int = 0
    failed: int = 0
    until: float = 0.0
    away: float = 0.0

    def well(self) -> None:
        """It answered."""
        self.failed, self.until, self.away = 0, 0.0 if self.away else self.until, 0.0

    def unwell(self, error: TransientError, now: float) -> None:
        """It failed. Of calls that fail together with those that sent it away only the first counts."""
        limited = error.kind == "429"
        rest = error.after if error.after is not None else _RATE_SECONDS if limited else 0.0
        self.failed += not limited
        if self.away and now >= self.until:
            self.away = min(_LONGEST_AWAY, 2.0 * self.away)
            rest = max(rest, self.away)
        elif not self.away and (error.unreachable or self.failed >= _FAILURES):
            self.away = _FIRST_AWAY
            rest = max(rest, self.away)
        self.until = max(self.until, now + rest)


class Places:
    """Gives out the addresses of one search, under one lock. Nobody waits longer than ``longest`` seconds for one that wants a rest."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = threading.Condition()
        self._longest, self._clock = longest, clock
        self._count = 0
        self._closed = False

    def take(self, places: Sequence[Place], tried: Sequence[Place] = ()) -> Place | None:
        """The place for a question that some were ``tried`` for, once it is free; ``leave`` it. None if there is none to be asked soon.

        Raises:
            BudgetError: the search is ending.
        """
        with self._changed:
            while not self._closed:
                now = self._clock()
                fit = _fit(places, tried, now)
                free = [place for place in fit if place.busy < place.at_once]
                if free:
                    return self._entered(min(free, key=lambda place: (place.busy, place.latest)))
                rest = _rest(places, now)
                if not fit and (tried or rest > self._longest):
                    return None
                self._changed.wait(min(rest, _LOOK_SECONDS) if rest else _LOOK_SECONDS)
        raise BudgetError("the search is ending: nothing new is asked")

    def _entered(self, place: Place) -> Place:
        self._count += 1
        place.busy, place.latest = place.busy + 1, self._count
        return place

    def leave(self, place: Place) -> None:
        """The call is over."""
        with self._changed:
            place.busy -= 1
            self._changed.notify_all()

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """A call at the only place that there is for it."""
        with self._changed:
            self._entered(place)
        try:
            yield
        finally:
            self.leave(place)

    def note(self, place: Place, error: TransientError | None) -> None:
        """How a call ended: the address answered, or failed."""
        with self._changed:
            if error is None:
                place.well()
            elif error.kind != EMPTY:
                place.unwell(error, self._clock())

    def rest(self, places: Sequence[Place]) -> float | None:
        """Seconds until one of those that are not away may be asked; None if all are away."""
        with self._changed:
            return None if all(place.away for place in places) else _rest(places, self._clock())

    def close(self) -> None:
        """Whoever waits for a place is sent away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _fit(places: Sequence[Place], tried: Sequence[Place], now: float) -> list[Place]:
    """Those that may be asked now; where all are away, the one that is to come back next."""
    left = [place for place in places if place not in tried]
    if left and all(place.away for place in places):
        return [min(left, key=lambda place: place.until)]
    return [place for place in left if place.until <= now and not (place.away and place.busy)]


def _rest(places: Sequence[Place], now: float) -> float:
    return max(0.0, min((place.until - now for place in places if not place.away), default=0.0))


class Counted:
    """A model at one address, which other roles may have among several."""

    def __init__(self, model: ChatModel, place: Place, places: Places) -> None:
        self._model, self._place, self._places = model, place, places

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer; its errors go through."""
        with self._places.at(self._place):
            return self._model.reply(messages, schema=schema, sample=sample)


class Spread:
    """A model at several addresses. ``note(error)`` hears of each failure that another address is to make good, and may raise."""

    def __init__(
        self, asked: Sequence[tuple[Place, ChatModel]], places: Places, note: Callable[[TransientError], None], label: str
    ) -> None:
        self._models = dict(asked)
        self._all = tuple(self._models)
        self._places, self._note, self._label = places, note, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The first answer.

        Raises:
            TransientError: no address gave one, or all of them want a rest. BudgetError: the search is ending. Other errors of a model go
                through.
        """
        tried: list[Place] = []
        failure: TransientError | None = None
        while (place := self._places.take(self._all, tried)) is not None:
            try:
                if failure is not None:
                    self._note(failure)
                reply = self._models[place].reply(messages, schema=schema, sample=sample)
                self._places.note(place, None)
                return reply
            except TransientError as error:
                self._places.note(place, error)
                if error.kind == EMPTY:
                    raise
                failure = error
            finally:
                self._places.leave(place)
            tried.append(place)
        raise self._given_up(failure)

    def _given_up(self, error: TransientError | None) -> TransientError:
        """The last failure, with the rest that the address wants that is to be asked next."""
        rest = self._places.rest(self._all)
        if error is None:
            return TransientError(f"{self._label}: all addresses ask to wait", "429", rest)
        after = error.after if rest is None else rest or None
        told = f"{error}; its other addresses do not answer either"
        return TransientError(told, error.kind, after, unreachable=error.unreachable, usage=error.usage)

"""Rate limits, retries with exponential backoff, and load balancing over several addresses of a model."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import BaseModel

from personaevo.chat import ChatModel, Message, Reply
from personaevo.errors import BudgetError, ModelUnavailableError, ReplyError
from personaevo.models.refusals import ENDING, TransientError


class RateLimit:
    """Admits ``at_once`` calls at a time, and at most ``per_minute`` (evenly spaced) if given.

    An asynchronous context manager, so that the event loop admits the next call as soon as one ends, without waking a thread.
    """

    def __init__(
        self, at_once: int, per_minute: float | None = None, clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._places = asyncio.Semaphore(at_once)
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    async def __aenter__(self) -> None:
        await self._places.acquire()
        try:
            now = self._clock()
            start = max(now, self._next)
            self._next = start + self._interval
            if start > now:
                await self._sleep(start - now)
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._places.release()


_UNREACHABLE_ATTEMPTS, _EMPTY_ATTEMPTS = 4, 3
EMPTY = "empty reply"  # the server works, but gives no answer to this question


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a question is asked, the first and the longest pause in seconds, and the longest waiting time that a server may request.

    A pause is uniform between 0 and ``first_pause`` · 2^k ("full jitter", Brooker 2015), at most ``longest_pause``.
    """

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 20.0
    longest_requested: float = 120.0


class RetryingModel:
    """A model with retries after TransientErrors. ``note(error)`` is called after each failed attempt, and may raise to end the retries. No
    retries once ``stopping`` is set."""

    def __init__(self, model: ChatModel, policy: RetryPolicy, note: Callable[[TransientError], None], stopping: threading.Event) -> None:
        self._model, self._policy, self._note, self._stopping = model, policy, note, stopping
        self._random = random.Random()  # for pauses only: no result depends on it

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer.

        Raises:
            ModelUnavailableError: all attempts failed, or the server cannot be reached. ReplyError: every answer was without text. Other
                errors of the model pass through.
        """
        failed = 0
        while True:
            try:
                return self._model.reply(messages, schema=schema, sample=sample)
            except TransientError as error:
                failed += 1
                self._note(error)
                self._pause(error, failed)

    def _pause(self, error: TransientError, failed: int) -> None:
        policy = self._policy
        fewer = _EMPTY_ATTEMPTS if error.kind == EMPTY else _UNREACHABLE_ATTEMPTS if error.unreachable else policy.attempts
        most = min(fewer, policy.attempts)
        if failed >= most or (error.after or 0.0) > policy.longest_requested:
            if error.kind == EMPTY:
                raise ReplyError(f"{error} ({failed} attempts)") from None
            wish = f"; it asks to wait {error.after:.0f} s" if error.after else ""
            raise ModelUnavailableError(f"{error} ({failed} attempts{wish})") from error
        pause = self._random.uniform(0.0, min(policy.longest_pause, policy.first_pause * 2 ** (failed - 1)))
        if self._stopping.wait(max(pause, (error.after or 0.0) * self._random.uniform(1.0, 1.1))):
            raise ModelUnavailableError(f"{error} (not asked again: the search is ending)") from error


_FAILURES = 3  # in a row, until an address is taken out of use
_FIRST_AWAY, _LONGEST_AWAY = 1.0, 60.0  # seconds
_RATE_SECONDS = 1.0  # to wait after a status 429 without a waiting time
_POLL_SECONDS = 1.0


@dataclass(eq=False)
class Endpoint:
    """The state of one address, shared by all roles: its rate limit, the most concurrent calls, running calls, the number of its latest
    call, failures in a row, when it may be asked next (by the clock of ``EndpointPool``), and for how many seconds it is out of use (0: in
    use)."""

    limit: RateLimit
    at_once: int
    busy: int = 0
    latest: int = 0
    failed: int = 0
    until: float = 0.0
    away: float = 0.0

    def succeed(self) -> None:
        """Record an answer."""
        self.failed, self.until, self.away = 0, 0.0 if self.away else self.until, 0.0

    def fail(self, error: TransientError, now: float) -> None:
        """Record a failure. Of several calls that fail while it goes out of use only the first counts."""
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


class EndpointPool:
    """Assigns the addresses of one search to calls, under one lock. No call waits longer than ``longest`` seconds for an address that asked
    to wait."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = threading.Condition()
        self._longest, self._clock = longest, clock
        self._count = 0
        self._closed = False

    def take(self, endpoints: Sequence[Endpoint], tried: Sequence[Endpoint] = ()) -> Endpoint | None:
        """Wait for the best address that was not ``tried`` and reserve it; end with ``leave``. None if none can be asked soon.

        Raises:
            BudgetError: the search is ending.
        """
        with self._changed:
            while not self._closed:
                now = self._clock()
                fit = _fit(endpoints, tried, now)
                free = [endpoint for endpoint in fit if endpoint.busy < endpoint.at_once]
                if free:
                    return self._entered(min(free, key=lambda endpoint: (endpoint.busy, endpoint.latest)))
                rest = _rest(endpoints, now)
                if not fit and (tried or rest > self._longest):
                    return None
                self._changed.wait(min(rest, _POLL_SECONDS) if rest else _POLL_SECONDS)
        raise BudgetError(ENDING)

    def _entered(self, endpoint: Endpoint) -> Endpoint:
        self._count += 1
        endpoint.busy, endpoint.latest = endpoint.busy + 1, self._count
        return endpoint

    def leave(self, endpoint: Endpoint) -> None:
        """End a call."""
        with self._changed:
            endpoint.busy -= 1
            self._changed.notify_all()

    @contextmanager
    def at(self, endpoint: Endpoint) -> Iterator[None]:
        """A call to the only address of a model."""
        with self._changed:
            self._entered(endpoint)
        try:
            yield
        finally:
            self.leave(endpoint)

    def note(self, endpoint: Endpoint, error: TransientError | None) -> None:
        """Record how a call ended: the error, or None after an answer."""
        with self._changed:
            if error is None:
                endpoint.succeed()
            elif error.kind != EMPTY:
                endpoint.fail(error, self._clock())

    def rest(self, endpoints: Sequence[Endpoint]) -> float | None:
        """Seconds until one of the addresses in use may be asked; None if none is in use."""
        with self._changed:
            return None if all(endpoint.away for endpoint in endpoints) else _rest(endpoints, self._clock())

    def close(self) -> None:
        """End all waiting calls with a BudgetError."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _fit(endpoints: Sequence[Endpoint], tried: Sequence[Endpoint], now: float) -> list[Endpoint]:
    """The addresses that may be asked now; if none is in use, the one that is tested next."""
    left = [endpoint for endpoint in endpoints if endpoint not in tried]
    if left and all(endpoint.away for endpoint in endpoints):
        return [min(left, key=lambda endpoint: endpoint.until)]
    return [endpoint for endpoint in left if endpoint.until <= now and not (endpoint.away and endpoint.busy)]


def _rest(endpoints: Sequence[Endpoint], now: float) -> float:
    return max(0.0, min((endpoint.until - now for endpoint in endpoints if not endpoint.away), default=0.0))


class EndpointModel:
    """A model at one address, whose load is counted, as other roles may use the address too."""

    def __init__(self, model: ChatModel, endpoint: Endpoint, pool: EndpointPool) -> None:
        self._model, self._endpoint, self._pool = model, endpoint, pool

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer; its errors go through."""
        with self._pool.at(self._endpoint):
            return self._model.reply(messages, schema=schema, sample=sample)


class LoadBalancer:
    """A model at several addresses. ``note(error)`` is called after a failure before another address is asked, and may raise."""

    def __init__(
        self, asked: Sequence[tuple[Endpoint, ChatModel]], pool: EndpointPool, note: Callable[[TransientError], None], label: str
    ) -> None:
        self._models = dict(asked)
        self._all = tuple(self._models)
        self._pool, self._note, self._label = pool, note, label

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The first answer.

        Raises:
            TransientError: no address gave one, or all of them ask to wait. BudgetError: the search is ending. Other errors of a model
                pass through.
        """
        tried: list[Endpoint] = []
        failure: TransientError | None = None
        while (endpoint := self._pool.take(self._all, tried)) is not None:
            try:
                if failure is not None:
                    self._note(failure)
                reply = self._models[endpoint].reply(messages, schema=schema, sample=sample)
                self._pool.note(endpoint, None)
                return reply
            except TransientError as error:
                self._pool.note(endpoint, error)
                if error.kind == EMPTY:
                    raise
                failure = error
            finally:
                self._pool.leave(endpoint)
            tried.append(endpoint)
        raise self._given_up(failure)

    def _given_up(self, error: TransientError | None) -> TransientError:
        """The last failure, with the seconds until an address may be asked again."""
        rest = self._pool.rest(self._all)
        if error is None:
            return TransientError(f"{self._label}: all addresses ask to wait", "429", rest)
        after = error.after if rest is None else rest or None
        told = f"{error}; its other addresses do not answer either"
        return TransientError(told, error.kind, after, unreachable=error.unreachable, usage=error.usage)

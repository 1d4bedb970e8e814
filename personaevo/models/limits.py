"""Rate limits, retries with exponential backoff, and load balancing over several addresses of a model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


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

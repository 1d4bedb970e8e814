"""How many calls an endpoint gets at once, and how many a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Gate:
    """Lets ``at_once`` through at a time, and at most ``per_minute`` (evenly spaced), if that is given.

    An asynchronous context manager: the event loop hands a place on at the moment when it becomes free; threads had to be woken first.
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
            wait = self._turn()
            if wait > 0:
                await self._sleep(wait)
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._places.release()

    def _turn(self) -> float:
        """Seconds until the next free moment, which is taken."""
        now = self._clock()
        turn = max(now, self._next)
        self._next = turn + self._interval
        return turn - now

"""Signal handling: the first Ctrl-C ends a search cleanly; further ones are ignored."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """A context manager for the main thread. The first of SIGINT, SIGTERM and SIGHUP raises KeyboardInterrupt; further ones are ignored
    until the process ends. A signal that was ignored before (``nohup``) stays ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for Ctrl-C."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._first)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.received is None:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _first(self, number: int, frame: FrameType | None) -> NoReturn:
        self.received = number
        threading.excepthook = lambda _: None  # errors of pool threads that are stopped at work are of no use
        for other in self._before:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

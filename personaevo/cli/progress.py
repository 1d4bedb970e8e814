"""How far a search is, on stderr: a live bar on a terminal, else a line for every tenth of the way."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from personaevo.cli.output import say
from personaevo.config import SearchConfig
from personaevo.evolve.estimate import Outlook
from personaevo.evolve.search import Progress

_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
_PARTS = 10


class Display:
    """Called with each ``Progress``; a context manager that leaves the terminal clean however the search ends."""

    def __init__(self, config: SearchConfig) -> None:
        self.config = config
        self.live = sys.stderr.isatty()
        self._bar: Any = None
        self._began = 0.0
        self._first: Progress | None = None
        self._told = 0

    def __enter__(self) -> Self:
        if self.live:
            say(f"{self.config.domain}: loading people and tasks, training the judge …")
        self._began = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, now: Progress) -> None:
        """Shows where the search stands."""
        if now.outlook is not None:
            say(_plan(now.outlook))
            return
        if self._first is None:
            self._start(now)
        text = self._text(now)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(now.done - self._bar.n)
        elif (part := now.done * _PARTS // now.planned) > self._told or now.done == now.planned:
            self._told = part
            say(f"{now.done}/{now.planned} candidates, {text}")
        if now.done >= now.planned:
            self._end()

    def _start(self, now: Progress) -> None:
        self._first = now
        self._told = now.done * _PARTS // now.planned
        say(f"{self.config.domain}: people and tasks loaded, judge trained, search begun")
        self._began = time.monotonic()
        if self.live:
            self._bar = tqdm(
                total=now.planned, initial=now.done - 1, file=sys.stderr, bar_format=_BAR, dynamic_ncols=True, leave=True, mininterval=0.2
            )

    def _text(self, now: Progress) -> str:
        parts = [_best(now), f"cells {now.cells_held}/{now.cells_total}"]
        if now.spent is not None:
            parts.append(f"{now.spent.calls:,} calls, {now.spent.tokens:,} tokens, ${now.spent.usd:.2f}")
        assert self._first is not None
        spent, done = time.monotonic() - self._began, now.done - self._first.done
        if spent > 0 and done:
            parts.append(f"{(now.episodes - self._first.episodes) / spent:,.0f} episodes/s")
            parts.append(f"{_clock(spent / done * (now.planned - now.done))} left")
        return ", ".join(parts)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None
        say("scoring the best program on held-out tasks …")


def _plan(outlook: Outlook) -> str:
    """What will be played, and how long that takes."""
    parts = outlook.dialogues
    time = "" if outlook.seconds is None else f", about {_clock(max(outlook.seconds, 60.0))} (h:mm:ss)" if outlook.seconds >= 3600 else (
        f", about {max(1, round(outlook.seconds / 60))} min"
    )
    return (
        f"{parts.all} dialogues are played by models{time}: {parts.controls} that the judge learns from, {parts.candidates} of candidates, "
        f"{parts.finals} of the finals, {parts.table} of the final table"
    )


def _best(now: Progress) -> str:
    """The best program's score as it is expected on fresh dialogues: the best of many is best by luck too. None while no program holds the
    floors."""
    return "best -" if now.expected is None else f"best {now.expected:.2f} expected"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"

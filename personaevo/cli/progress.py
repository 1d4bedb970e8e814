"""Progress of a search on stderr: a live bar on a terminal, else a line for every tenth.

With the embedded engine, candidates are counted; where models play, a candidate takes minutes, so dialogues are counted.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from personaevo.cli.shared import PARTS, say
from personaevo.config import SearchConfig
from personaevo.evolve.progress import Forecast, Progress
from personaevo.judge.objectives import steering

_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
_WIDTH, _LEAST_BAR = 80, 28  # characters: of a terminal of unknown width; of a short bar and the numbers around it
_PACE_SECONDS = 300.0  # the window of the pace: answers that a resumed search already has pass at once


class SearchProgress:
    """Shows each ``Progress`` it is called with; a context manager that cleans up the terminal however the search ends."""

    def __init__(self, config: SearchConfig) -> None:
        self.config = config
        self.live = sys.stderr.isatty()
        self._bar: Any = None
        self._pace: deque[tuple[float, int, int]] = deque()  # time, count, episodes
        self._last_part = 0
        self._ended = False

    def __enter__(self) -> Self:
        if self.live:
            say(f"{self.config.domain}: loading people and tasks, training the judge …")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, now: Progress) -> None:
        """Show the state of the search."""
        done, planned, unit = now.done, now.planned, "candidates"
        if now.outlook is not None:
            done, planned, unit = now.outlook.played, now.outlook.planned.all, "dialogues"
        if not self._pace:
            self._start(now, done, planned)
        self._pace.append((time.monotonic(), done, now.episodes))
        while len(self._pace) > 2 and self._pace[-1][0] - self._pace[0][0] > _PACE_SECONDS:
            self._pace.popleft()
        text = self._text(now, planned - done)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(done - self._bar.n)
        elif (part := done * PARTS // planned) > self._last_part or (now.done == now.planned and not self._ended):
            self._last_part = part
            say(f"{done}/{planned} {unit}, {text}")
        if now.done >= now.planned and not self._ended:
            self._end(now)

    def _start(self, now: Progress, done: int, planned: int) -> None:
        self._last_part = done * PARTS // planned
        if now.outlook is None:
            say(f"{self.config.domain}: people and tasks loaded, judge trained, search begun")
        else:
            say(_plan(now.outlook))
        if self.live:
            begun = max(0, done - 1) if now.outlook is None else done
            self._bar = tqdm(
                total=planned, initial=begun, file=sys.stderr, bar_format=_BAR, dynamic_ncols=True, leave=True, mininterval=0.2,
                miniters=1,
            )

    def _text(self, now: Progress, left: int) -> str:
        """The text after the bar; costs of models are shown as far as they fit."""
        parts = [_best(now), f"cells {now.cells_held}/{now.cells_total}"]
        if now.outlook is not None:
            parts = [f"candidates {now.done}/{now.planned}", *(parts if now.done else [])]
        (began, first, episodes), (at, last, played) = self._pace[0], self._pace[-1]
        if at > began and last > first:
            if now.outlook is None:
                parts.append(f"{(played - episodes) / (at - began):,.0f} episodes/s")
            parts.append(f"{_clock((at - began) / (last - first) * left)} left")
        available = (self._bar.ncols or _WIDTH) - _LEAST_BAR if self._bar is not None else None
        costs = []
        if now.spent is not None:
            cost = [f"${now.spent.usd:.2f}"] if now.spent.usd else []
            costs = [*cost, f"{now.spent.tokens:,} tokens", f"{now.spent.calls:,} calls"]
        for more in costs:
            if available is None or len(", ".join([*parts, more])) <= available:
                parts.append(more)
        return ", ".join(parts)

    def _end(self, now: Progress) -> None:
        self._ended = True
        if self._bar is not None and now.outlook is None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None
        if self._bar is None:
            say("scoring the best program on held-out tasks …")


def _plan(outlook: Forecast) -> str:
    """The planned dialogues and their estimated time."""
    parts, time = outlook.planned, ""
    if outlook.seconds is not None:
        time = f", about {max(1, round(outlook.seconds / 60)):,} min"
    named = {"to train the judge": parts.controls, "of candidates": parts.candidates, "of the finals": parts.finals,
             "of the final table": parts.table}  # fmt: skip
    listed = ", ".join(f"{count} {name}" for name, count in named.items() if count)
    return f"{parts.all} dialogues are played by models{time}: {listed}"


def _best(now: Progress) -> str:
    """The best program's expected score on fresh dialogues, corrected for selection; "-" while no program meets the floors.

    Where it is 0, as with few dialogues, from which consistency cannot be measured, the objectives above 0.
    """
    found = now.best.evaluation.objectives if now.best is not None else {}
    positive = [f"{name.replace('_', ' ')} {found[name].value:.2f}" for name in steering() if name in found and found[name].value > 0]
    if positive and now.expected is not None and now.expected <= 0:
        return f"best: {', '.join(positive)}"
    return "best -" if now.expected is None else f"best {now.expected:.2f} expected"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"

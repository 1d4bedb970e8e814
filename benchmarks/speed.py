"""Time profile of a search: ``python -m benchmarks.speed [--domain service] [--candidates 100] [--jobs 2]``.

The default search twice: with worker processes for seconds and episodes per second; then in this one process with the parts timed. Shares
are of the second run's time, so they depend little on the machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from personaevo.archive import Archive
from personaevo.archive.opening import Publisher
from personaevo.config import SearchConfig
from personaevo.evolve import loop as loop_module
from personaevo.evolve import rollout
from personaevo.evolve import search as search_module
from personaevo.evolve.progress import SearchResult
from personaevo.judge.scorer import Scorer

# Entry points of the parts: owner and name of the function. Preparation includes dialogues; its exclusive time is the rest.
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("prepare (rest: judge, cells)", search_module, "prepare"),
    ("breed", loop_module, "_bred"),
    ("sandbox", rollout, "generate"),
    ("simulate", rollout, "run_episode"),
    ("measure", rollout, "measured"),
    ("judge", Scorer, "score"),
    ("archive (rest)", Archive, "commit"),
    ("publish snapshots", Publisher, "publish"),
)


class Clock:
    """Exclusive time of each part."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((name for name, _, _ in PARTS), 0.0)
        self.calls = dict.fromkeys(self.seconds, 0)
        self._inner = [0.0]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            self.calls[name] += 1
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - begun
                self.seconds[name] += whole - self._inner.pop()
                self._inner[-1] += whole

        return run


@contextmanager
def _clock() -> Iterator[Clock]:
    clock = Clock()
    with ExitStack() as stack:
        for name, owner, attribute in PARTS:
            stack.enter_context(patch.object(owner, attribute, clock.timed(name, getattr(owner, attribute))))
        yield clock


def _search(options: argparse.Namespace, jobs: int) -> SearchResult:
    with tempfile.TemporaryDirectory() as folder:
        config = SearchConfig(domain=options.domain, candidates=options.candidates, jobs=jobs, archive=Path(folder) / "a.duckdb")
        return search_module.search(config)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for jobs in (options.jobs, 1):
        with _clock() as clock:
            result = _search(options, jobs)
        rate = result.episodes / result.seconds
        print(f"jobs {jobs}: {result.candidates} candidates, {result.episodes} episodes in {result.seconds:.1f} s: {rate:.0f} episodes/s")
    played = clock.seconds["simulate"] + clock.seconds["measure"]
    print(f"simulating and measuring alone: {clock.calls['simulate'] / played:.0f} episodes/s per core")
    for name, seconds in clock.seconds.items():
        print(f"  {name:30}{seconds / result.seconds:7.1%}")
    print(f"  {'the rest (table, selection)':30}{1 - sum(clock.seconds.values()) / result.seconds:7.1%}")


if __name__ == "__main__":
    main()

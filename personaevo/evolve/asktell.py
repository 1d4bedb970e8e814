"""Ask and tell: a search whose dialogues are played by whoever holds it, in a queue, on a cluster, or in a simulator's own runner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from personaevo.config import SearchConfig
from personaevo.errors import ConfigError
from personaevo.evolve.outside import ClosedError, Outside, Request
from personaevo.evolve.parts import made
from personaevo.evolve.progress import Progress
from personaevo.evolve.result import SearchResult
from personaevo.evolve.search import run
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.records import ChatModel


class Search:
    """One search, as a context manager. Programs are bred, run and scored here; dialogues are played outside::

        with pe.Search(config, id="my simulator 1") as search:
            while batch := search.ask():
                search.tell({one.id: play(one.task, one.persona, one.seed) for one in batch})
            result = search.result()

    ``id`` says what plays; it is recorded, and a search is resumed (``config.resume``) with the same. The other parts are those of
    ``search``. ``tell`` may be called from any thread, with as many dialogues as are ready. With equal dialogues the digest is the same.

    Raises:
        ConfigError: a part cannot be used. Whatever else goes wrong in the search is raised by ``ask`` and ``result``.
    """

    def __init__(
        self, config: SearchConfig, *, id: str = "ask and tell", judge: Judge | None = None, objectives: Sequence[Objective] = (),
        operators: Mapping[str, Any] | None = None, selection: Any = None, models: Mapping[str, ChatModel] | None = None,
        descriptors: Descriptors | None = None, callbacks: Sequence[Callable[[Progress], None]] = (),
    ) -> None:  # fmt: skip
        if not id.strip():
            raise ConfigError("id: expected a name of what plays the dialogues, got none")
        self._outside = Outside(id)
        parts = replace(made(None, None, judge, objectives, operators, selection, models, descriptors), outside=self._outside)
        self._config, self._parts, self._callbacks = config, parts, tuple(callbacks)
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._found: SearchResult | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ask(self, timeout: float | None = None) -> tuple[Request, ...]:
        """The dialogues that can be played now and were not given out before; waits until there are some. Nothing when the search is over,
        or after ``timeout`` seconds (see ``done``). Tell of what was given out before asking for more, or from another thread: the search
        may need it to go on.

        Raises:
            PersonaevoError: the search ended with it.
        """
        found = self._outside.ask(timeout)
        if not found and self._error is not None:
            raise self._error
        return found

    def tell(self, results: Mapping[int, Any]) -> None:
        """How dialogues went, by the ids of their requests: each a ``Dialogue``, a list of turns (pairs, or dicts or objects with role and
        content), or an exception where it failed.

        Raises:
            ConfigError: an id is not under way. InputError: something is no dialogue. None of them is taken then.
        """
        self._outside.tell(results)

    @property
    def done(self) -> bool:
        """Whether the search is over."""
        return not self._thread.is_alive()

    def result(self) -> SearchResult:
        """What the search found; waits for its end.

        Raises:
            PersonaevoError: the search ended with it.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._found is not None, "it has ended"
        return self._found

    def close(self) -> None:
        """Ends a search that is not over; what was committed stays in its archive, and ``resume`` goes on."""
        self._outside.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._found = run(self._config, self._parts, self._callbacks, None)
        except BaseException as error:  # noqa: BLE001 - raised again by ``ask`` and ``result``
            self._error = error
        finally:
            with suppress(ClosedError):
                self._outside.close()

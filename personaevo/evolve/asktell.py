"""Ask-and-tell interface: a search whose dialogues are played by the caller, in a queue, on a cluster or in a simulator's own runner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from personaevo.chat import ChatModel
from personaevo.config import SearchConfig
from personaevo.errors import ConfigError
from personaevo.evolve.outside import ClosedError, DialogueQueue, Request
from personaevo.evolve.parts import make_parts
from personaevo.evolve.progress import Progress
from personaevo.evolve.result import SearchResult
from personaevo.evolve.search import run
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors


class Search:
    """One search, as a context manager. Programs are bred, run and scored here; the caller plays the dialogues::

        with pe.Search(config, id="my simulator 1") as search:
            while batch := search.ask():
                search.tell({one.id: play(one.task, one.persona, one.seed) for one in batch})
            result = search.result()

    ``id`` names the player of the dialogues; it is recorded, and resuming (``config.resume``) requires the same. The other arguments are
    those of ``search``. ``tell`` may be called from any thread with any number of dialogues. Equal dialogues give an equal digest.

    Raises:
        ConfigError: a part cannot be used. Other errors of the search are raised by ``ask`` and ``result``.
    """

    def __init__(
        self, config: SearchConfig, *, id: str = "ask and tell", judge: Judge | None = None, objectives: Sequence[Objective] = (),
        operators: Mapping[str, Any] | None = None, selection: Any = None, models: Mapping[str, ChatModel] | None = None,
        descriptors: Descriptors | None = None, callbacks: Sequence[Callable[[Progress], None]] = (),
    ) -> None:  # fmt: skip
        if not id.strip():
            raise ConfigError("id: expected a name of what plays the dialogues, got none")
        self._outside = DialogueQueue(id)
        parts = replace(make_parts(None, None, judge, objectives, operators, selection, models, descriptors), outside=self._outside)
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
        """Wait for new dialogues to play and return them; empty when the search is over or after ``timeout`` seconds (see ``done``).

        The search may need the results of earlier dialogues to continue, so ``tell`` them before asking again, or from another thread.

        Raises:
            PersonaevoError: the search failed.
        """
        found = self._outside.ask(timeout)
        if not found and self._error is not None:
            raise self._error
        return found

    def tell(self, results: Mapping[int, Any]) -> None:
        """Report dialogues by the ids of their requests: each a ``Dialogue``, a list of turns (pairs, or dicts or objects with role and
        content), or an exception if it failed.

        Raises:
            ConfigError: an id is not pending. InputError: a value is no dialogue. In both cases nothing is accepted.
        """
        self._outside.tell(results)

    @property
    def done(self) -> bool:
        """Whether the search is over."""
        return not self._thread.is_alive()

    def result(self) -> SearchResult:
        """Wait for the end of the search and return its result.

        Raises:
            PersonaevoError: the search failed.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._found is not None, "it has ended"
        return self._found

    def close(self) -> None:
        """Stop a search that is not over. Committed candidates stay in the archive, and ``resume`` continues from them."""
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

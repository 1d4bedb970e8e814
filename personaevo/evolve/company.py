"""Runtime of a search with models: players, their threads, and storage of the models' answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from personaevo.archive import Archive, ReplayStore
from personaevo.chat import ChatModel, Store
from personaevo.config import SearchConfig
from personaevo.errors import BudgetError
from personaevo.evolve.parts import DEFAULT_PARTS, Parts, calibration_of
from personaevo.evolve.players import Players, SandboxPool
from personaevo.models import Budget, CallSettings, Models, Spent, parse, read_prices
from personaevo.programs import Sandbox
from personaevo.programs.channel import ModelLimits
from personaevo.programs.personas import dial_table
from personaevo.simulate.episodes import MakeAgent, MakeUser
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.own_users import own_agents, own_users
from personaevo.simulate.partners import model_agent, resolve_agent
from personaevo.workers import ThreadPool

_QUESTIONS, _TOKENS, _SECONDS = 4, 3_000, 30.0  # questions per persona; tokens and seconds per question


def wanted(config: SearchConfig, parts: Parts = DEFAULT_PARTS) -> bool:
    """Whether anything other than the embedded engine plays."""
    return bool(config.models or config.agent or parts.users or parts.agent or parts.outside)


class ModelRuntime:
    """Context manager of models, players and threads, over an archive that is open for writing.

    At a BudgetError, pending calls are completed and stored; at any other error they are aborted. ``on_progress`` is called about once a
    second with the number of dialogues played and the models' usage.
    """

    def __init__(
        self, config: SearchConfig, archive: Archive, on_progress: Callable[[int, Spent], None] = lambda *_: None, parts: Parts = DEFAULT_PARTS
    ) -> None:
        runs = archive.runs()
        self._run_id = runs[-1].id if runs else 1
        self._config, self._parts = config, parts
        self.archive = archive
        self._calls = archive.calls()
        self._stack = ExitStack()
        store: Store = self._calls
        if config.replay is not None:
            store = ReplayStore(self._calls, self._stack.enter_context(Archive.read(config.replay)).calls())
        self.models = Models(
            {role: parse(text) for role, text in config.models.items()}, store, prices=read_prices(config.prices),
            budget=Budget(config.max_usd, config.max_tokens, config.max_calls),
            before={role: Spent(*sums) for role, sums in self._calls.sums(self._run_id).items()},
            conduct=CallSettings(config.at_once, config.per_minute, config.model_seconds), offline=config.replay is not None, own=parts.models,
        )  # fmt: skip
        self._on_progress = on_progress
        self.crew = ThreadPool(config.lag + 2, self.concurrency, self._meanwhile)
        # a ``generate`` call may ask ``_QUESTIONS`` per persona, and as many for all personas together
        calls = _QUESTIONS * (max(config.personas, config.test_personas) + 1) * max(config.task_count, config.test_tasks)
        limits = ModelLimits(calls, calls * _TOKENS, calls * _SECONDS)
        sandboxes = SandboxPool(lambda: Sandbox(dial_table(), tier=config.sandbox, model_limits=limits))
        self._stack.callback(sandboxes.close)
        self.players = Players(self._make_user(), self._make_agent(), self.role("generator"), self.crew.players, sandboxes, parts.outside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.models.stop(self._config.model_seconds if isinstance(error, BudgetError) else 0.0)
            self.crew.stop(kill=kind is not None)
        finally:
            self._stack.close()
            self.flush()

    def role(self, name: str) -> ChatModel | None:
        """The model of a role; None for the embedded engine."""
        return self.models.role(name)

    @property
    def plays(self) -> bool:
        """Whether dialogues or programs wait for external calls; otherwise they run in worker processes."""
        return bool(self.players.make_user or self.players.make_agent or self.players.generator or self.players.outside)

    @property
    def concurrency(self) -> int:
        """Number of concurrent dialogues. More dialogues than concurrent calls would only wait for each other, and would evict each other
        from the prompt cache of a local model."""
        if self._config.agent is not None or self._parts.users is not None or self._parts.agent is not None:
            return max(2, self._config.at_once)
        return max(2, sum(self.models.at_once(role) for role in ("user", "agent") if role in self._config.models))

    def _meanwhile(self) -> None:
        """Store answers and report the progress; the crew calls this about once a second."""
        self.flush()
        self._on_progress(self.players.played.number, self.models.ledger.total())

    def flush(self) -> None:
        """Store the answers that arrived since the last call. Raises ArchiveError."""
        self._calls.flush(self._run_id)

    def _make_user(self) -> MakeUser | None:
        if self._parts.users is not None:
            return own_users(self._parts.users)
        model = self.role("user")
        calibration = calibration_of(self._config)
        wording = self._config.wording if calibration is None else calibration.wording
        return None if model is None else model_user(model, wording, self._config.overlay, calibration)

    def _make_agent(self) -> MakeAgent | None:
        if self._parts.agent is not None:
            return own_agents(self._parts.agent)
        if self._config.agent is not None:
            return resolve_agent(self._config.agent)
        model = self.role("agent")
        return None if model is None else model_agent(model)

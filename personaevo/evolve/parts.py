"""User-defined parts of a search, in place of the built-in ones. Their ids are recorded with the run, and resuming requires the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from personaevo import calibration
from personaevo.archive import Archive, ReplayStore
from personaevo.chat import ChatModel, Store
from personaevo.config import SearchConfig, make_config
from personaevo.errors import BudgetError, ConfigError
from personaevo.evolve.players import DialogueQueue, Players, SandboxPool
from personaevo.evolve.recombine import OPERATORS, Operator
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge, Negatives
from personaevo.judge.objectives import Objective
from personaevo.judge.objectives import objectives as known_objectives
from personaevo.measure.cells import Descriptors
from personaevo.model_spec import OWN
from personaevo.models import Budget, CallSettings, Models, Spent, parse, read_prices
from personaevo.programs import Sandbox
from personaevo.programs.channel import ModelLimits
from personaevo.programs.personas import dial_table
from personaevo.simulate.curves import Calibration
from personaevo.simulate.episodes import MakeAgent, MakeUser
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.own_users import AgentSimulator, UserSimulator, own_agents, own_users, part_id
from personaevo.simulate.partners import AgentFunction, model_agent, resolve_agent
from personaevo.workers import ThreadPool

OWN_PARTS = "own_parts"  # name among the settings of a run


@dataclass(frozen=True)
class Parts:
    """The parts passed to ``search``; None or empty stands for the built-in part. ``negatives`` are taken instead of playing them again, by
    split and kind, where a search is verified whose dialogues were played outside."""

    users: UserSimulator | None = None
    agent: AgentSimulator | AgentFunction | None = None
    judge: Judge | None = None
    objectives: Sequence[Objective] = ()
    operators: Mapping[str, tuple[Operator, float]] = field(default_factory=dict)
    selection: Selection | None = None
    models: Mapping[str, ChatModel] = field(default_factory=dict)
    descriptors: Descriptors | None = None
    outside: DialogueQueue | None = None
    negatives: Mapping[str, Mapping[str, Negatives]] | None = None

    @property
    def operator_table(self) -> Mapping[str, Operator]:
        """All operators by name."""
        return {**OPERATORS, **{name: operator for name, (operator, _) in self.operators.items()}}

    def recorded(self) -> dict[str, Any]:
        """The ids of the parts as a setting of the run; empty without parts. Models and operators are settings already."""
        parts = {name: getattr(self, name) for name in ("users", "agent", "judge", "selection", "descriptors", "outside")}
        found: dict[str, Any] = {name: part_id(part) for name, part in parts.items() if part is not None}
        if self.objectives:
            found["objectives"] = [f"{one.name} {one.version}" for one in self.objectives]
        return {OWN_PARTS: found} if found else {}


DEFAULT_PARTS = Parts()
_MODELS_FORM = "reply(messages, schema=None, sample=0)"
_FORMS: Mapping[str, tuple[Any, str]] = {
    "users": (UserSimulator, "start(task, persona, seed)"),
    "judge": (Judge, "train(values, people, weights, seed)"),
    "selection": (Selection, "choose(population, masses, rng)"),
    "descriptors": (Descriptors, "measure(values), and names"),
}


def make_parts(
    users: Any, agent: Any, judge: Any, objectives: Sequence[Any] | None, operators: Mapping[str, Any] | None, selection: Any,
    models: Mapping[str, Any] | None, descriptors: Any,
) -> Parts:  # fmt: skip
    """Validate the arguments of ``search``; an operator without a weight gets 1.

    Raises:
        ConfigError: a part lacks a method or an id, or has a name that is taken.
    """
    weighed = {name: one if isinstance(one, tuple) else (one, 1.0) for name, one in (operators or {}).items()}
    parts = Parts(users, agent, judge, tuple(objectives or ()), weighed, selection, dict(models or {}), descriptors)
    for name, (kind, form) in _FORMS.items():
        given = getattr(parts, name)
        if given is not None and not (isinstance(given, kind) and isinstance(given.id, str) and given.id.strip()):
            raise ConfigError(f"{name}: expected an object with an id (a text) and {form}, got {given!r:.80}")
    if agent is not None and not (callable(agent) or isinstance(agent, AgentSimulator)):
        raise ConfigError(f"agent: expected a function of the messages, or an object with an id and start(task, seed), got {agent!r:.80}")
    for role, model in parts.models.items():
        if isinstance(model, str) or not hasattr(model, "reply"):
            hint = "name models in the settings: pe.SearchConfig(models={…})" if isinstance(model, str) else "see pe.ChatModel"
            raise ConfigError(f"models: expected for {role!r:.40} an object with {_MODELS_FORM}, got {model!r:.80}; {hint}")
    _check_names(parts)
    return parts


def _check_names(parts: Parts) -> None:
    """Raise ConfigError if an objective or operator is invalid or has a name that is taken."""
    known = {one.name for one in known_objectives()}
    for one in parts.objectives:
        if not isinstance(one, Objective):
            raise ConfigError(f"objectives: expected objects of pe.Objective, got {one!r:.80}")
        if one.name in known:
            raise ConfigError(f"objectives: the name {one.name!r:.80} is taken; give yours another")
        known.add(one.name)
    for name, (operator, _) in parts.operators.items():
        if name in OPERATORS or "+" in name or not callable(operator):
            raise ConfigError(f"operators: expected functions (parents, rng) under names of their own, got {name!r:.80}: {operator!r:.80}")


def settled(config: SearchConfig, parts: Parts) -> SearchConfig:
    """The settings with the ids of user-defined models and the weights of user-defined operators.

    Raises:
        ConfigError: a part is also given in the settings.
    """
    if parts.outside is not None and (parts.users or parts.agent or config.agent or {"user", "agent"} & {*config.models, *parts.models}):
        raise ConfigError("dialogues are played by the caller of ask(): leave out users, agent and models that play them")
    if parts.agent is not None and (config.agent is not None or "agent" in config.models):
        raise ConfigError("the agent is given twice: as an object and in the settings; leave one out")
    twice = next((role for role in parts.models if role in config.models), "user" if parts.users and "user" in config.models else None)
    if twice is not None:
        raise ConfigError(f"the {twice} is given twice: as an object and in the settings; leave one out")
    values = {name: getattr(config, name) for name in config.model_fields_set}
    if parts.models:
        values["models"] = {**config.models, **{role: f"{OWN}:{part_id(model)}" for role, model in parts.models.items()}}
    if parts.operators:
        values["operators"] = {**config.operators, **{name: weight for name, (_, weight) in parts.operators.items()}}
    return make_config(values) if parts.models or parts.operators else config


def calibration_of(config: SearchConfig) -> Calibration | None:
    """The calibration of the user model that the settings name; None if they name none.

    Raises:
        ConfigError, ArchiveError: see ``calibration.known``.
    """
    if config.calibration is None:
        return None
    given = "wording" in config.model_fields_set
    return calibration.load_calibration(config.calibration, calibration.model_name(config.models), config.wording if given else None)


def with_wording(config: SearchConfig) -> SearchConfig:
    """The settings with the wording of the calibration, unless they name a wording."""
    found = calibration_of(config)
    return config if found is None else config.model_copy(update={"wording": found.wording})


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
        self, config: SearchConfig, archive: Archive, on_progress: Callable[[int, Spent], None] = lambda *_: None,
        parts: Parts = DEFAULT_PARTS,
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
            conduct=CallSettings(config.at_once, config.per_minute, config.model_seconds), offline=config.replay is not None,
            own=parts.models,
        )  # fmt: skip
        self._on_progress = on_progress
        self.pool = ThreadPool(config.lag + 2, self.concurrency, self._meanwhile)
        # a ``generate`` call may ask ``_QUESTIONS`` per persona, and as many for all personas together
        calls = _QUESTIONS * (max(config.personas, config.test_personas) + 1) * max(config.task_count, config.test_tasks)
        limits = ModelLimits(calls, calls * _TOKENS, calls * _SECONDS)
        sandboxes = SandboxPool(lambda: Sandbox(dial_table(), tier=config.sandbox, model_limits=limits))
        self._stack.callback(sandboxes.close)
        self.players = Players(self._make_user(), self._make_agent(), self.role("generator"), self.pool.players, sandboxes, parts.outside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.models.stop(self._config.model_seconds if isinstance(error, BudgetError) else 0.0)
            self.pool.stop(kill=kind is not None)
        finally:
            self._stack.close()
            self.flush()

    def role(self, name: str) -> ChatModel | None:
        """The model of a role; None for the embedded engine."""
        return self.models.role(name)

    def from_file(self, name: str) -> bool:
        """Whether the model of a role is loaded from a file (``local:``): such models are small."""
        return name in self._config.models and parse(self._config.models[name]).provider == "local"

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
        """Store answers and report the progress; the pool calls this about once a second."""
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

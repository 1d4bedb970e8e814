"""User-defined parts of a search, in place of the built-in ones. Their ids are recorded with the run, and resuming requires the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from personaevo import calibration
from personaevo.chat import ChatModel
from personaevo.config import SearchConfig, make_config
from personaevo.errors import ConfigError
from personaevo.evolve.players import DialogueQueue
from personaevo.evolve.recombine import OPERATORS, Operator
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import objectives as known_objectives
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.model_spec import OWN
from personaevo.simulate.curves import Calibration
from personaevo.simulate.own_users import AgentSimulator, UserSimulator, part_id
from personaevo.simulate.partners import AgentFunction

OWN_PARTS = "own_parts"  # name among the settings of a run


@dataclass(frozen=True)
class Parts:
    """The parts passed to ``search``; None or empty stands for the built-in part."""

    users: UserSimulator | None = None
    agent: AgentSimulator | AgentFunction | None = None
    judge: Judge | None = None
    objectives: Sequence[Objective] = ()
    operators: Mapping[str, tuple[Operator, float]] = field(default_factory=dict)
    selection: Selection | None = None
    models: Mapping[str, ChatModel] = field(default_factory=dict)
    descriptors: Descriptors | None = None
    outside: DialogueQueue | None = None

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

"""Parts of one's own in a search: objects that take the place of ours. What each is recorded as is part of the run: only a search with the
same parts goes on with its archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from personaevo.config import SearchConfig, make_config
from personaevo.errors import ConfigError
from personaevo.evolve.outside import Outside
from personaevo.evolve.recombine import OPERATORS, Operator
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import objectives as known_objectives
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.model_spec import OWN
from personaevo.records import ChatModel
from personaevo.simulate.own_users import AgentSimulator, UserSimulator, part_id
from personaevo.simulate.partners import AgentFunction

OWN_PARTS = "own_parts"  # the name among a run's settings


@dataclass(frozen=True)
class Parts:
    """Those that were given; None, or nothing, is ours. See ``search``."""

    users: UserSimulator | None = None
    agent: AgentSimulator | AgentFunction | None = None
    judge: Judge | None = None
    objectives: Sequence[Objective] = ()
    operators: Mapping[str, tuple[Operator, float]] = field(default_factory=dict)
    selection: Selection | None = None
    models: Mapping[str, ChatModel] = field(default_factory=dict)
    descriptors: Descriptors | None = None
    outside: Outside | None = None

    @property
    def operator_table(self) -> Mapping[str, Operator]:
        """All operators by name."""
        return {**OPERATORS, **{name: operator for name, (operator, _) in self.operators.items()}}

    def recorded(self) -> dict[str, Any]:
        """What each is recorded as; nothing without one. Models and operators are among the settings already."""
        parts = {name: getattr(self, name) for name in ("users", "agent", "judge", "selection", "descriptors", "outside")}
        one = {name: part_id(part) for name, part in parts.items() if part is not None}
        more = {"objectives": [f"{one.name} {one.version}" for one in self.objectives]} if self.objectives else {}
        found = {**one, **more}
        return {OWN_PARTS: found} if found else {}


OURS = Parts()
_MODELS_FORM = "reply(messages, schema=None, sample=0)"
_FORMS: Mapping[str, tuple[Any, str]] = {
    "users": (UserSimulator, "start(task, persona, seed)"),
    "judge": (Judge, "train(values, people, weights, seed)"),
    "selection": (Selection, "choose(population, masses, rng)"),
    "descriptors": (Descriptors, "measure(values), and names"),
}


def made(
    users: Any, agent: Any, judge: Any, objectives: Sequence[Any] | None, operators: Mapping[str, Any] | None, selection: Any,
    models: Mapping[str, Any] | None, descriptors: Any,
) -> Parts:  # fmt: skip
    """The parts from what a caller writes; an operator without a weight has 1.

    Raises:
        ConfigError: a part has not what it needs, or a name that is taken.
    """
    weighed = {name: one if isinstance(one, tuple) else (one, 1.0) for name, one in (operators or {}).items()}
    parts = Parts(users, agent, judge, tuple(objectives or ()), weighed, selection, dict(models or {}), descriptors)
    for name, (kind, form) in _FORMS.items():
        given = getattr(parts, name)
        if given is not None and not (isinstance(given, kind) and isinstance(given.id, str) and given.id.strip()):
            raise ConfigError(f"{name}: expected an object with an id (a text) and {form}, got {given!r:.80}")
    if agent is not None and not (callable(agent) or isinstance(agent, AgentSimulator)):
        raise ConfigError(f"agent: expected a function of the messages, or an object with an id and start(task, seed), got {agent!r:.80}")
    _check_models(parts.models)
    _check_names(parts)
    return parts


def _check_models(models: Mapping[str, Any]) -> None:
    for role, model in models.items():
        if isinstance(model, str) or not hasattr(model, "reply"):
            hint = "name models in the settings: pe.SearchConfig(models={…})" if isinstance(model, str) else "see pe.ChatModel"
            raise ConfigError(f"models: expected for {role!r:.40} an object with {_MODELS_FORM}, got {model!r:.80}; {hint}")


def _check_names(parts: Parts) -> None:
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
    """The settings with what own parts add to them: models by their ids, operators by their weights.

    Raises:
        ConfigError: a part is given in the settings too.
    """
    if parts.outside is not None and (parts.users or parts.agent or config.agent or {"user", "agent"} & {*config.models, *parts.models}):
        raise ConfigError("dialogues are played by whoever asks for them: leave out users, agent and models that play them")
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

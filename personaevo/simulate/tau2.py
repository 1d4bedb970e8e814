"""Personas in τ²-bench (text mode): laid into a task's persona field, or over the prompt of a registered user class.

τ²-bench is not imported here, and not from the package index: ``tau2`` there is something else (see ``registry``). Tasks are as in its
``tasks.json``; results come back by ``readers.read_dialogues``. τ² takes up an interrupted run by (trial, task id, seed): a persona's runs
must differ from those of others in the task's id (``with_persona``) or in where they are saved (``user_class``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from typing import Any

from personaevo.errors import ConfigError, InputError
from personaevo.records import Persona

_BETWEEN = "@"  # a task's id and a persona's label
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


def with_persona(task: Mapping[str, Any], persona: Persona) -> dict[str, Any]:
    """A copy of a τ² task whose user is this persona: its text stands in ``user_scenario.persona``, after what stood there.

    Goal, facts and evaluation stay as they are. The id becomes "TASK@LABEL" (see ``label``, ``ids_of``), so that no two personas collide.

    Raises:
        InputError: it has no id or no user scenario: not a task of τ²-bench.
    """
    made = deepcopy(dict(task))
    scenario = made.get("user_scenario")
    if not isinstance(scenario, dict) or not str(made.get("id", "")):
        raise InputError(f"task {str(made.get('id', '?'))[:80]!r}: expected a task of tau2-bench, with id and user_scenario")
    scenario["persona"] = persona.overlay(str(scenario.get("persona") or "")).strip()
    made["id"] = f"{made['id']}{_BETWEEN}{label(persona)}"
    return made


def label(persona: Persona) -> str:
    """A persona's id and a digest of all that it is, fit for names of files: personas that differ in anything have different ones."""
    digest = hashlib.blake2b(Persona(**dict(persona)).model_dump_json().encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{_UNFIT.sub('_', persona.id)[:60]}-{digest}"


def ids_of(task_id: str) -> tuple[str, str | None]:
    """The task's id and the persona's label from an id that ``with_persona`` made; the label is None for a task without a persona."""
    task, between, last = task_id.rpartition(_BETWEEN)
    return (task, last) if between else (task_id, None)


def user_class(base: type, persona: Persona) -> type:
    """A subclass of τ²'s ``UserSimulator`` whose system prompt has the persona laid over it. It is made with the same arguments, whatever
    they are in the installed version."""

    def system_prompt(self: Any) -> str:
        return persona.overlay(base.system_prompt.fget(self))  # type: ignore[attr-defined]

    about = f"τ²'s user with the persona {persona.id} laid over its prompt."
    return type("PersonaUser", (base,), {"system_prompt": property(system_prompt), "persona": persona, "__doc__": about})


def register_user(persona: Persona) -> str:
    """Makes the persona's user class known to τ²-bench in this process, and returns its name there; one known already stays.

    Save each persona's run under a path of its own. Run with threads, not with workers: other processes do not know the class.

    Raises:
        ConfigError: τ²-bench is not installed, or what is called ``tau2`` is something else.
    """
    known, name = registry(), f"persona-{label(persona)}"
    if name not in known.get_users():
        known.register_user(user_class(_simulator(), persona), name)
    return name


def registry() -> Any:
    """τ²'s registry.

    Raises:
        ConfigError: τ²-bench is not installed, or what is called ``tau2`` is something else.
    """
    found = getattr(_module("tau2.registry"), "registry", None)
    if not hasattr(found, "register_user"):
        raise ConfigError(_ADVICE.format("the installed 'tau2' has no registry of users"))
    return found


_ADVICE = "{}: install tau2-bench from its repository (the package 'tau2' of the index is something else)"


def _simulator() -> type:
    found = getattr(_module("tau2.user.user_simulator"), "UserSimulator", None)
    if not isinstance(found, type) or not isinstance(getattr(found, "system_prompt", None), property):
        raise ConfigError(_ADVICE.format("the installed 'tau2' has no UserSimulator with a system prompt"))
    return found


def _module(name: str) -> object:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(_ADVICE.format(f"'{name}' cannot be imported ({error})")) from None

"""Personas in τ²-bench (text mode): laid into a task's persona field, or over the prompt of a registered user class.

τ²-bench is not imported here, and not from the package index: ``tau2`` there is something else (see ``registry``). Tasks are as in its
``tasks.json``; results come back by ``readers.read_dialogues``. τ² takes up an interrupted run by (trial, task id, seed): a persona's runs
must differ from those of others in the task's id (``with_persona``) or in where they are saved (``user_class``).

The persona field takes text only. A registered user class is directed as well: each message of the agent comes with a stage direction, and
the dialogue ends when the director has the user leave.
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
from personaevo.simulate.directions import note
from personaevo.simulate.hooks import UserDirector
from personaevo.simulate.model_users import MAX_TURN, heard_text, without_markers
from personaevo.simulate.persona import Persona as DirectedPersona
from personaevo.simulate.seeds import seed_of

_STOP = "###STOP###"
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


class DirectedTurns:
    """Lays a director's stage directions under the agent's messages; goes before τ²'s ``UserSimulator`` among the bases of a class.

    One director plays one dialogue, seeded by τ²'s own seed, the persona and the instructions. What the user's tools say gets no direction:
    it belongs to the turn under way. A marker that the model sends itself ends the dialogue as ever; ``###STOP###`` is added to the turn
    with which the user leaves.
    """

    persona: Persona
    instructions: str | None
    _seed = 0
    _directing: UserDirector | None = None

    def set_seed(self, seed: int) -> None:
        """Seeds model and director."""
        super().set_seed(seed)  # type: ignore[misc]
        self._seed, self._directing = seed, None

    def get_init_state(self, *args: Any, **options: Any) -> Any:
        """Begins a dialogue."""
        self._directing = None
        return super().get_init_state(*args, **options)  # type: ignore[misc]

    def generate_next_message(self, message: Any, state: Any) -> Any:
        """The user's next message, and the state that τ² keeps."""
        heard = message.content if message.role == "assistant" else None
        director = self._director()
        if heard:
            parts = (heard_text(heard), director.direction(heard))
            message = message.model_copy(update={"content": "\n\n".join(filter(None, parts))})
        said, state = super().generate_next_message(message, state)  # type: ignore[misc]
        if not said.tool_calls:
            director.said(without_markers(said.content or "", MAX_TURN).text)
            if director.left and not type(self).is_stop(said):  # type: ignore[attr-defined]
                said.content = f"{said.content or ''} {_STOP}".strip()
        return said, state

    def _director(self) -> UserDirector:
        if self._directing is None:
            seed = seed_of(self._seed, label(self.persona), self.instructions or "")
            own = self.persona
            persona = own if isinstance(own, DirectedPersona) else DirectedPersona(**own.model_dump())
            self._directing = persona.director(seed)
        return self._directing


def user_class(base: type, persona: Persona, *, directed: bool = True) -> type:
    """A subclass of τ²'s ``UserSimulator`` whose system prompt has the persona laid over it, and whose turns are directed (which the
    prompt says) unless it is to go by the text alone. It is made with the same arguments, whatever they are in the installed version."""

    def system_prompt(self: Any) -> str:
        prompt = persona.overlay(base.system_prompt.fget(self))  # type: ignore[attr-defined]
        return f"{prompt}\n{note()}\n" if directed else prompt

    about = f"τ²'s user with the persona {persona.id} laid over its prompt{', and its director' if directed else ''}."
    bases = (DirectedTurns, base) if directed else (base,)
    return type("PersonaUser", bases, {"system_prompt": property(system_prompt), "persona": persona, "__doc__": about})


def register_user(persona: Persona, *, directed: bool = True) -> str:
    """Makes the persona's user class known to τ²-bench in this process, and returns its name there; one known already stays.

    Save each persona's run under a path of its own. Run with threads, not with workers: other processes do not know the class.

    Raises:
        ConfigError: τ²-bench is not installed, or what is called ``tau2`` is something else.
    """
    known, name = registry(), f"persona-{label(persona)}{'' if directed else '-text'}"
    if name not in known.get_users():
        known.register_user(user_class(_simulator(), persona, directed=directed), name)
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

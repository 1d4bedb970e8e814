"""Personas in τ²-bench (text mode): in a task's persona field, or added to the prompt of a registered user class.

τ²-bench must be installed from its repository: ``tau2`` on the package index is another project (see ``registry``). Tasks are as in its
``tasks.json``; read results with ``readers.read_dialogues``. τ² resumes an interrupted run by (trial, task id, seed), so runs of different
personas must differ in the task's id (``with_persona``) or in the path of the results (``user_class``).

The persona field takes text only. A registered user class is also directed: each message of the agent comes with a stage direction, and the
dialogue ends when the director lets the user leave.
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
from personaevo.simulate.directions import Persona as DirectedPersona
from personaevo.simulate.directions import UserDirector, note
from personaevo.simulate.model_users import MAX_TURN, heard_text, without_markers
from personaevo.simulate.turns import seed_of

_STOP = "###STOP###"
_BETWEEN = "@"  # a task's id and a persona's label
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


def with_persona(task: Mapping[str, Any], persona: Persona) -> dict[str, Any]:
    """A copy of a τ² task whose user is this persona: its text is appended to ``user_scenario.persona``.

    Goal, facts and evaluation stay. The id becomes "TASK@LABEL" (see ``label``, ``ids_of``), unique for each persona.

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
    """A persona's id and a digest of all its fields, valid in file names: personas that differ in any field have different labels."""
    digest = hashlib.blake2b(Persona(**dict(persona)).model_dump_json().encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{_UNFIT.sub('_', persona.id)[:60]}-{digest}"


def ids_of(task_id: str) -> tuple[str, str | None]:
    """Split an id of ``with_persona`` into the task's id and the persona's label; None for a task without a persona."""
    task, between, last = task_id.rpartition(_BETWEEN)
    return (task, last) if between else (task_id, None)


class DirectedTurns:
    """A mixin, before τ²'s ``UserSimulator`` in the bases of a class: adds a director's stage directions to the agent's messages.

    One director plays one dialogue, seeded by τ²'s seed, the persona and the instructions. Results of the user's tools get no direction,
    since they belong to the current turn. An end marker of the model ends the dialogue as usual; ``###STOP###`` is added to the turn with
    which the user leaves.
    """

    persona: Persona
    instructions: str | None
    _seed = 0
    _directing: UserDirector | None = None

    def set_seed(self, seed: int) -> None:
        """Seed model and director."""
        super().set_seed(seed)  # type: ignore[misc]
        self._seed, self._directing = seed, None

    def get_init_state(self, *args: Any, **options: Any) -> Any:
        """Start a dialogue."""
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
    """A subclass of τ²'s ``UserSimulator`` with the persona in its system prompt. If ``directed``, its turns get stage directions, which
    the prompt explains. Its constructor takes the same arguments as that of the installed version."""

    def system_prompt(self: Any) -> str:
        prompt = persona.overlay(base.system_prompt.fget(self))  # type: ignore[attr-defined]
        return f"{prompt}\n{note()}\n" if directed else prompt

    about = f"τ²'s user with the persona {persona.id} laid over its prompt{', and its director' if directed else ''}."
    bases = (DirectedTurns, base) if directed else (base,)
    return type("PersonaUser", bases, {"system_prompt": property(system_prompt), "persona": persona, "__doc__": about})


def register_user(persona: Persona, *, directed: bool = True) -> str:
    """Register the persona's user class with τ²-bench in this process, unless it is registered already; returns its name.

    Save each persona's run under a separate path. Run with threads, not with workers: other processes do not have the class.

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

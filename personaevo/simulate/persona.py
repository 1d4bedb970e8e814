"""Personas that bring their director along: what ``pe.Persona`` is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from personaevo import records
from personaevo.definitions import domain as load_domain
from personaevo.definitions import domain_names
from personaevo.records import Task
from personaevo.simulate.given import as_task

if TYPE_CHECKING:
    from personaevo.simulate.hooks import UserDirector

_DOMAIN = "service"  # of a persona that comes from nowhere, as in a search


class Persona(records.Persona):
    """One simulated user, with its director."""

    def director(self, seed: int, task: Task | Mapping[str, Any] | str | None = None, domain: str | None = None) -> UserDirector:
        """Directs this user through one dialogue, turn by turn (see ``hooks.UserDirector``).

        ``task`` is a record, its fields ("goal", "facts", "context") or a goal; without one, directions say that the user answers, and
        not what. ``domain`` (a name, or a folder's absolute path) has the wording of drafts and how long dialogues are; by default it is
        the task's if that is installed, else the persona's own.

        Raises:
            InputError: it is not a task.
            ConfigError: there is no such domain.
        """
        wanted = None if task is None else as_task(task, "")
        named = wanted.domain if wanted is not None and wanted.domain in domain_names() else ""
        hooks = import_module("personaevo.simulate.hooks")  # personas are drawn without what directing them takes
        made: UserDirector = hooks.UserDirector(self.dials, seed, wanted, load_domain(domain or named or self._own_domain()))
        return made

    def type(self, text: str, turn: int, *, seed: int = 0, task: Task | Mapping[str, Any] | str | None = None) -> str:
        """What somebody else worded (a model, a template), typed as this user types: the persona's dials of typing say how much of it is in
        lower case, without full stops, abbreviated, … (``fitness/typing.toml``), and ``slips_per_100_words`` how often it slips.

        Meaning stays, and so do codes, addresses, file names and numbers; with the ``task`` (a record, its fields or a goal) the values of
        its facts and the names in it too. Each line is typed like a message of its own. ``turn`` numbers the turns of a dialogue, ``seed``
        the dialogues. Equal arguments give equal texts, and what is typed already stays: ``type(type(text, 3), 3) == type(text, 3)``.

        Raises:
            InputError: it is not a task.
        """
        typists = import_module("personaevo.simulate.typist")
        wanted = None if task is None else as_task(task, "")
        typed: str = typists.Typist(self.dials, seed, typists.protected_by(wanted)).type(text, turn)
        return typed

    def _own_domain(self) -> str:
        return _DOMAIN

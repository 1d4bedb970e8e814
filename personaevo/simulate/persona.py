"""``personaevo.Persona``, a persona record with its director and typist; and the task arguments of public functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from personaevo import records
from personaevo.config import DEFAULT_DOMAIN
from personaevo.definitions import domain as load_domain
from personaevo.definitions import domain_names
from personaevo.errors import InputError
from personaevo.records import Task, problem_of

if TYPE_CHECKING:
    from personaevo.simulate.directions import UserDirector


def as_task(given: Task | Mapping[str, Any] | str, domain: str) -> Task:
    """Convert a task argument to a record, with ``domain`` if it names none.

    Raises:
        InputError: it is not a task.
    """
    if isinstance(given, Task):
        task = given
    else:
        values = {"goal": given.strip()} if isinstance(given, str) else dict(given)
        try:
            task = Task.model_validate({"id": "given", **values})
        except ValidationError as error:
            raise InputError(f"task: {problem_of(error)}") from None
    return task if task.domain else task.model_copy(update={"domain": domain})


class Persona(records.Persona):
    """One simulated user, with its director and typist."""

    def director(self, seed: int, task: Task | Mapping[str, Any] | str | None = None, domain: str | None = None) -> UserDirector:
        """A director of this user for one dialogue, turn by turn (see ``hooks.UserDirector``).

        ``task`` is a record, its fields ("goal", "facts", "context") or a goal. Without one, directions say that the user answers, but not
        what. ``domain`` (a name, or a folder's absolute path) provides the wording of drafts and the usual length of dialogues; by default
        it is the task's domain if that is installed, else the persona's own.

        Raises:
            InputError: it is not a task.
            ConfigError: there is no such domain.
        """
        from personaevo.simulate.directions import UserDirector  # noqa: PLC0415 - drawing personas does not need it

        wanted = None if task is None else as_task(task, "")
        named = wanted.domain if wanted is not None and wanted.domain in domain_names() else ""
        return UserDirector(self.dials, seed, wanted, load_domain(domain or named or self._own_domain()))

    def type(self, text: str, turn: int, *, seed: int = 0, task: Task | Mapping[str, Any] | str | None = None) -> str:
        """Type a text that a model or template worded as this user types.

        The persona's typing dials set how much of it is in lower case, without full stops, abbreviated, … (``fitness/typing.toml``), and
        ``slips_per_100_words`` the rate of typing slips. The meaning stays, and so do codes, addresses, file names and numbers; with the
        ``task`` (a record, its fields or a goal) also the values of its facts and the names in it. Each line is typed like a separate
        message. ``turn`` numbers the turns of a dialogue, ``seed`` the dialogues. Equal arguments give equal texts, and a typed text stays
        as it is: ``type(type(text, 3), 3) == type(text, 3)``.

        Raises:
            InputError: it is not a task.
        """
        from personaevo.simulate.typist import Typist, protected_by  # noqa: PLC0415 - drawing personas does not need it

        return Typist(self.dials, seed, protected_by(None if task is None else as_task(task, ""))).type(text, turn)

    def _own_domain(self) -> str:
        """The domain of a persona that was not drawn from an archive."""
        return DEFAULT_DOMAIN

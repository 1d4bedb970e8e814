"""The task that a sample is for: as it was given, or one of those that the archive's programs were scored on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personaevo import readers
from personaevo.definitions import domain_files, domain_names
from personaevo.errors import InputError
from personaevo.records import Task


def as_task(given: Task | Mapping[str, Any] | str, domain: str) -> Task:
    """The task as a record, in the archive's domain if it names none.

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
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            message = f"{first['msg'][:1].lower()}{first['msg'][1:]}, got {first.get('input')!r:.80}"
            raise InputError(f"task: field '{field}': {message}") from None
    return task if task.domain else task.model_copy(update={"domain": domain})


def known_tasks(settings: Mapping[str, Any]) -> dict[str, Task]:
    """The tasks of a run by id, from its own file or its domain's; none if that is not at hand."""
    file, domain = settings.get("tasks"), str(settings.get("domain", ""))
    if file is None and domain in domain_names():
        file = domain_files(domain).tasks
    if file is None or not Path(file).is_file():
        return {}
    return {task.id: task for task in readers.read_tasks(file)}


def stored_id(task: Task, stored: frozenset[str], known: Mapping[str, Task]) -> str | None:
    """The id of the stored task that ``task`` is: that of the same content, or of the same id where the content is not known."""
    if task.id in stored and task.id not in known:
        return task.id
    same = (one for name, one in known.items() if name in stored and _content(one) == _content(task))
    return next((one.id for one in same), None)


def _content(task: Task) -> object:
    return task.goal, task.facts, task.context

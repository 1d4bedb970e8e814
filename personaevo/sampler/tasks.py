"""The task that a sample is for: as it was given, or one of those that the archive's programs were scored on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from personaevo import readers
from personaevo.definitions import domain_files, domain_names
from personaevo.records import Task


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

"""Sample personas from an archive: stored ones with their measurements, or new ones for a new task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from personaevo import readers
from personaevo.definitions import domain_files, domain_names
from personaevo.records import Task


def known_tasks(settings: Mapping[str, Any]) -> dict[str, Task]:
    """The tasks of a run by id, from its own file or its domain's; empty if the file is not available."""
    file, domain = settings.get("tasks"), str(settings.get("domain", ""))
    if file is None and domain in domain_names():
        file = domain_files(domain).tasks
    if file is None or not Path(file).is_file():
        return {}
    return {task.id: task for task in readers.read_tasks(file)}


def stored_id(task: Task, stored: frozenset[str], known: Mapping[str, Task]) -> str | None:
    """The id of the stored task equal to ``task``: with the same content, or with the same id if its content is not known."""
    if task.id in stored and task.id not in known:
        return task.id
    content = task.goal, task.facts, task.context
    same = (one for name, one in known.items() if name in stored and (one.goal, one.facts, one.context) == content)
    return next((one.id for one in same), None)

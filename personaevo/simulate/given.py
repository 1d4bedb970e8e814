"""``personaevo.Persona``, a persona record with its director and typist; and the task arguments of public functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from personaevo.errors import InputError
from personaevo.records import Task, problem_of


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

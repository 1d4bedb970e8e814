"""Tasks as they are given to what is public: a record, its fields, or a goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from personaevo.errors import InputError
from personaevo.records import Task


def as_task(given: Task | Mapping[str, Any] | str, domain: str) -> Task:
    """The task as a record, in ``domain`` if it names none.

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

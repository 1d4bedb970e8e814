"""Run an agent with a population of users, to find the users with whom it fails; dialogues are stored in a file to resume from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from personaevo.errors import InputError
from personaevo.records import Episode, PlanItem, Task
from personaevo.sampler import SampledPersona
from personaevo.simulate.measuring import measured
from personaevo.stress.play import StressDialogue
from personaevo.stress.result import row_of


class DialogueFile:
    """A context manager over the file. With ``resume`` its dialogues are read; else it must not exist."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self._rows = _read(path) if resume and path.exists() else {}
        if not resume and path.exists():
            raise InputError(f"{path} exists: continue with its dialogues (resume), or give another file")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            rewrite(self.path, self._rows.values())  # without a line that was only partly written
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({(error.strerror or 'no reason given').lower()})") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._file is not None
        self._file.close()
        if not self._rows:
            with suppress(OSError):
                self.path.unlink()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, talk: StressDialogue) -> None:
        """Append a dialogue."""
        assert self._file is not None
        if talk.id not in self._rows:
            self._rows[talk.id] = row = row_of(talk)
            self._file.write(f"{json.dumps(row, allow_nan=False)}\n")
            self._file.flush()

    def get(self, task: Task, persona: SampledPersona | None, item: PlanItem, losses: tuple[str, ...]) -> StressDialogue | None:
        """The stored dialogue of a planned item; None if it was not played yet.

        Raises:
            InputError: the stored dialogue of this id was played with other arguments, or is malformed.
        """
        empty = StressDialogue(task, persona, Episode(item, "failed"), "not played")
        row = self._rows.get(empty.id)
        if row is None:
            return None
        same = row_of(empty)
        if any(row.get(name) != same[name] for name in ("seed", "domain", "user_id", "persona")):
            raise InputError(f"{self.path}: dialogue {empty.id} was played with other arguments; resume with the same arguments")
        try:
            turns = tuple((one["role"], one["content"]) for one in row["turns"])
            preservation = row["preservation"]
            episode = Episode(
                item, "failed" if preservation is None else "completed", turns, row["outcome"], preservation=preservation or 0.0,
                persona=persona, reason=row["reason"], fault=row["fault"],
            )  # fmt: skip
            return StressDialogue(task, persona, measured([episode], losses)[0], row["ending"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{self.path}: dialogue {empty.id} was not written by 'stress'; give another file") from None


def rewrite(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows atomically. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows), "utf-8")
    os.replace(part, path)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows by id, without an incomplete last line."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({(getattr(error, 'strerror', None) or 'it is not UTF-8').lower()})") from None
    found = {}
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
            found[row["id"]] = row
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}, line {number}: not a dialogue written by 'stress'; give another file") from None
    return found

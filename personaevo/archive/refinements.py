"""The refinement of an archive: its settings, and the complete record of each refined person."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from personaevo.archive.database import Database
from personaevo.archive.rows import as_json, utc_now
from personaevo.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class RefinedPerson:
    """One refined person on one side of the dialogue: ``record`` is the result as plain JSON values, ``profile`` the id of the refined
    profile (None if it failed), ``digest`` that of the record."""

    person: str
    role: str
    state: str
    profile: str | None
    record: dict[str, Any]
    digest: str


class Refinements:
    """The one refinement that an archive can hold.

    Every method raises ArchiveError where the file cannot be read or written, or holds values that no refinement writes. ``writable``
    raises it where the archive is open for reading; ``written`` is called after each commit.
    """

    def __init__(self, database: Database, writable: Callable[[], object], written: Callable[[], None]) -> None:
        self._database, self._writable, self._written = database, writable, written

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Store the settings. Raises ArchiveError: there are some already, or they have no JSON form."""
        self._writable()
        if self.settings() is not None:
            raise ArchiveError(f"archive {self._database.path} holds a refinement already: resume it, or give another file")
        try:
            text = as_json(dict(settings))
        except (TypeError, ValueError) as error:
            raise ArchiveError(f"settings of a refinement must be plain JSON values: {error}") from error
        with self._database.transaction():
            self._database.execute("INSERT INTO refinement VALUES (?, ?)", [text, utc_now()])

    def withdraw(self) -> None:
        """Delete the settings if no person was refined with them."""
        self._writable()
        with self._database.transaction():
            self._database.execute("DELETE FROM refinement WHERE NOT EXISTS (FROM refined)")

    def add(self, one: RefinedPerson) -> None:
        """Store one person in one transaction. Raises ArchiveError: that person is stored already."""
        self._writable()
        keys = [one.person, one.role]
        with self._database.transaction():
            if self._database.execute('SELECT 1 FROM refined WHERE (person, "role") = (?, ?)', keys):
                raise ArchiveError(f"archive {self._database.path} holds person {one.person!r:.100} already: one is refined once")
            row = [*keys, one.state, one.profile, as_json(one.record), one.digest, utc_now()]
            self._database.execute("INSERT INTO refined VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._written()

    def settings(self) -> dict[str, Any] | None:
        """Return the settings; None if nothing was refined."""
        self._database.check("refinement")
        found = self._database.execute("SELECT settings FROM refinement")
        return self._parsed(found[0][0]) if found else None

    def people(self) -> list[RefinedPerson]:
        """Return every refined person, by name and role."""
        self._database.check("refined")
        rows = self._database.rows('SELECT person, "role", state, profile, record, digest FROM refined ORDER BY person, "role"')
        return [RefinedPerson(**{**row, "record": self._parsed(row["record"])}) for row in rows]

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return dict(json.loads(text))
        except (RecursionError, ValueError):
            problem = "a record of its refinement is not the JSON that a refinement writes"
            raise ArchiveError(f"archive {self._database.path}: {problem}; restore a copy, or do not use this file") from None

"""Side tables of an archive: answers of models, calibrations, and refined profiles."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from personaevo.archive.database import Database
from personaevo.archive.rows import Row, as_json, utc_now
from personaevo.chat import ModelCall, Reply, Usage
from personaevo.errors import ArchiveError

_ANSWER = (
    'SELECT "text", cut, refusal, estimated, input_tokens, output_tokens, cached_tokens, cost FROM model_calls WHERE "key" = ? LIMIT 1'
)
_SUMS = (
    'SELECT "role", count(*), sum(input_tokens)::BIGINT, sum(cached_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cost), sum(seconds), '
    'count(*) FILTER (WHERE estimated) FROM model_calls WHERE run = ? GROUP BY "role" ORDER BY "role"'
)


class ModelCallStore:
    """A ``Store`` of model answers in an archive, so that no answer is paid for twice. ``get`` and ``put`` are thread-safe; the archive's
    own thread writes to the file (``flush``)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._side = database.side()
        self._lock = threading.Lock()
        self._known = {str(key) for (key,) in database.execute('SELECT "key" FROM model_calls')}
        self._waiting: dict[str, ModelCall] = {}

    def get(self, key: str) -> Reply | None:
        """Return the answer stored under a key; None if there is none."""
        with self._lock:
            if key in self._waiting:
                return self._waiting[key].reply
            if key not in self._known:
                return None
            text, cut, refusal, estimated, *tokens, cost = self._side(_ANSWER, [key])[0]
            read, written, cached = map(int, tokens)
            used = Usage(read, written, cached, bool(estimated))
            return Reply(str(text), usage=used, cost=float(cost), cut=bool(cut), refusal=refusal or "")

    def put(self, call: ModelCall) -> None:
        """Add an answer; it is written with the next ``flush``."""
        with self._lock:
            if call.key not in self._known:
                self._waiting[call.key] = call

    def flush(self, run_id: int) -> None:
        """Write the answers added since. Raises ArchiveError if that cannot be done; the next ``flush`` tries again."""
        with self._lock:
            calls = list(self._waiting.values())
        if not calls:
            return
        rows: list[Row] = []
        for call in calls:
            reply, used = call.reply, call.reply.usage
            rows.append({
                "key": call.key, "run": run_id, "role": call.role, "model": call.model, "candidate": call.candidate, "text": reply.text,
                "cut": reply.cut, "refusal": reply.refusal or None, "input_tokens": used.input_tokens, "cached_tokens": used.cached_tokens,
                "output_tokens": used.output_tokens, "cost": reply.cost, "seconds": call.seconds, "estimated": used.estimated,
            })  # fmt: skip
        with self._database.transaction():
            self._database.insert("model_calls", rows)
        with self._lock:
            for call in calls:
                self._known.add(call.key)
                del self._waiting[call.key]

    def sums(self, run_id: int) -> Mapping[str, tuple[Any, ...]]:
        """Sum by role: calls, input, cached and output tokens, US dollars, seconds, and calls whose tokens are estimated."""
        return {str(role): tuple(sums) for role, *sums in self._database.execute(_SUMS, [run_id])}


class ReplayStore:
    """A ``Store`` that replays the answers of another archive, and adds those it used to its own."""

    def __init__(self, own: ModelCallStore, other: ModelCallStore) -> None:
        self._own, self._other = own, other

    def get(self, key: str) -> Reply | None:
        """Return the answer from its own archive, or else from the other."""
        found = self._own.get(key)
        if found is None and (found := self._other.get(key)) is not None:
            found = replace(found, cost=0.0)  # it was paid for elsewhere
            self._own.put(ModelCall(key, "recording", "recording", None, found, 0.0))
        return found

    def put(self, call: ModelCall) -> None:
        """Add an answer to its own archive."""
        self._own.put(call)


COLUMNS = ("slope", "offset", "se", "n", "r", "center", "spread", "noise", "low", "high")
_LATEST = """
SELECT model, wording, prompt, made, dials, CAST(report AS VARCHAR) AS report FROM calibrations
QUALIFY row_number() OVER (PARTITION BY model, wording, prompt ORDER BY made DESC, rowid DESC) = 1
ORDER BY model, wording, prompt
"""


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A stored calibration: ``dials`` has the values of ``COLUMNS`` for each dial's fitted line (see ``simulate.curves.Curve``), ``report``
    every measurement as plain JSON values."""

    model: str
    wording: str
    prompt: str
    dials: Mapping[str, Mapping[str, float]]
    report: Mapping[str, Any]
    made: datetime | None = None


def add_calibration(database: Database, one: StoredCalibration) -> None:
    """Store a calibration. Raises ArchiveError: a number is not finite, or the report has no JSON form."""
    made = one.made or utc_now()
    try:
        dials, report = {name: {column: line[column] for column in COLUMNS} for name, line in one.dials.items()}, dict(one.report)
        as_json([dials, report])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"a calibration must hold finite numbers and plain JSON values: {error}") from error
    row = {
        "model": one.model, "wording": one.wording, "prompt": one.prompt, "made": made.isoformat(" "), "dials": dials, "report": report,
    }  # fmt: skip
    with database.transaction():
        database.insert("calibrations", [row])


def latest_calibrations(database: Database) -> list[StoredCalibration]:
    """Return the latest calibration of each model, wording and prompt, in this order. Raises ArchiveError: invalid values."""
    database.check("calibrations")
    found = []
    for row in database.rows(_LATEST):
        try:
            report = dict(json.loads(row["report"]))
        except (RecursionError, ValueError):
            raise ArchiveError(f"archive {database.path}: the report of a calibration is not JSON; restore a copy") from None
        found.append(StoredCalibration(**{**row, "report": report}))
    return found


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

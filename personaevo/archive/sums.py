"""Verification of stored digests against the stored rows. Reads only.

DuckDB writes the rows in the canonical form of ``row_hash``, and they are hashed here: three times as fast as building the form in Python.
A commit that does not add up this way is recomputed row by row with ``row_hash`` before it is reported, so a difference in form alone is
never reported. Memory use is 40 bytes per candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaevo.archive.database import Database
from personaevo.archive.rows import MODULUS, row_hash, text_hash

# Programs are stored once; a proposal with another text of the same program keeps its own.
CANDIDATES = (
    "SELECT c.*, coalesce(c.variant, p.source) AS source FROM candidates AS c JOIN programs AS p ON p.id = c.program "
)
ROWS = ("evaluations", "episodes", "personas", "screenings")  # and candidates
_PROGRAMS_PER_BATCH = 20_000
_ROWS_PER_BATCH = 2_000


def _number(value: str) -> str:
    return f"""'"' || format('{{:.9g}}', {value} + 0.0) || '"'"""


def _or_null(value: str, text: str) -> str:
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {text} END"


def _json(value: str) -> str:
    return f"CAST(to_json({value}) AS VARCHAR)"


def _list(values: str, item: str, *, by: str = "") -> str:
    """A list as text: each item ``x`` written by ``item``, sorted by the expression ``by``."""
    if by:
        values, item = f"list_sort(list_transform({values}, lambda x: {{'by': {by}, 'text': {item}}}))", "x.text"
    return f"'[' || array_to_string(list_transform({values}, lambda x: {item}), ',') || ']'"


def _row(kind: str, *parts: str) -> str:
    return f"""'["{kind}",' || """ + " || ',' || ".join(("number", *parts)) + " || ']'"


def _levels(column: str) -> str:
    pair = "'[' || " + _json("x.key") + " || ',' || " + _number("x.value") + " || ']'"
    return _list(f"map_entries({column})", pair, by="x.key")


_OBJECTIVE = "'[' || " + " || ',' || ".join((_json("x.key"), *(_number(f"x.value.{key}") for key in ("value", "se", "raw")))) + " || ']'"
_CELL = "'[' || x.cell || ',' || " + " || ',' || ".join(_number(f"x.{key}") for key in ("share", "score", "se")) + " || ']'"
_TURN = "'[' || " + _json('x."role"') + " || ',' || " + _json("x.content") + " || ']'"
_TEXTS = {
    "evaluations": _row(
        "evaluations", _json("split"), "planned", "completed", _list("map_entries(objectives)", _OBJECTIVE, by="x.key"),
        _list("cells", _CELL, by="x.cell"),
    ),
    "episodes": _row(
        "episodes", _json("task"), "slot", """'"' || seed || '"'""", _json("state"), _list("turns", _TURN), _json("outcome"),
        _or_null("fingerprint", _list("fingerprint", _number("x"))), _or_null("preservation", _number("preservation")),
        _or_null("p_human", _number("p_human")), _or_null("cell", "CAST(cell AS VARCHAR)"), _or_null("persona", _json("persona")),
        _or_null("fault", _json("fault")),
    ),
    "personas": _row(
        "personas", _json("task"), "slot", _json("id"), _json("description"), _levels("behaviors"), _levels("dials"), _json("policy"),
    ),
    "screenings": _row("screenings", _json("program"), _json("operator"), _number("standing"), "played"),
}  # fmt: skip
# The row id of each candidate's program, so that programs are read once in file order and no texts are sorted.
_PROPOSALS = f"""
CREATE OR REPLACE TABLE memory.proposals AS
SELECT p.rowid AS place, c.run, c.number, c.variant, {_row("candidates", _json("program")).removesuffix(" || ']'")} || ',' AS head,
       ',' || {_json("parents")} || ',' || {_json("operator")} || ',' || {_json("state")} || ',' ||
       {_or_null("fault", _json("fault"))} || ']' AS tail
FROM candidates AS c JOIN programs AS p ON p.id = c.program ORDER BY place
"""
_PROPOSED = f"""
SELECT m.run, m.number, m.head || {_json("coalesce(m.variant, p.source)")} || m.tail
FROM memory.proposals AS m JOIN programs AS p ON p.rowid = m.place
WHERE p.rowid BETWEEN $1 AND $2 AND m.place BETWEEN $1 AND $2
"""
_DOUBTFUL = "CREATE OR REPLACE TABLE memory.doubtful (run INTEGER, number INTEGER)"
_IN_DOUBT = "EXISTS (FROM memory.doubtful AS d WHERE d.run = t.run AND d.number = t.number)"
_COMMITS = "SELECT run, number, digest FROM candidates ORDER BY seq"
Key = tuple[int, int]  # run and number


@dataclass(frozen=True, slots=True)
class Wrong:
    """A commit whose rows do not add up to the digest it was committed with."""

    run: int
    number: int
    stored: str
    added: int
    expected: int


@dataclass(slots=True)
class Sums:
    """The result: commits that do not add up, in their order; candidates that have rows but were never committed; and the digest of each
    run as stored with its last commit."""

    wrong: list[Wrong] = field(default_factory=list)
    orphans: list[Key] = field(default_factory=list)
    runs: dict[int, int] = field(default_factory=dict)


class _Adder:
    """Sums of the row hashes of each candidate, in four limbs of 32 bits."""

    def __init__(self, database: Database) -> None:
        found = database.columns("SELECT run, number FROM candidates")
        self._keys = np.unique(_packed(found["run"], found["number"]))
        self._limbs = np.zeros((len(self._keys), 4), dtype=np.uint64)
        self.orphans: set[int] = set()

    def add(self, runs: Sequence[int], numbers: Sequence[int], hashes: bytes) -> None:
        """Add row hashes of 16 bytes each to the candidates of these rows."""
        keys = _packed(np.array(runs), np.array(numbers))
        places = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        known = self._keys[places] == keys if len(self._keys) else np.zeros(len(keys), dtype=bool)
        self.orphans.update(map(int, keys[~known]))
        limbs = np.frombuffer(hashes, dtype=">u4").reshape(-1, 4).astype(np.uint64)
        np.add.at(self._limbs, places[known], limbs[known])

    def take(self, runs: Sequence[int], numbers: Sequence[int]) -> list[int]:
        """Return the sums of these candidates, and reset them: a second commit of one candidate adds nothing."""
        places = np.searchsorted(self._keys, _packed(np.array(runs), np.array(numbers)))
        first = np.zeros((len(places), 1), dtype=np.uint64)
        first[np.unique(places, return_index=True)[1]] = 1
        limbs = (self._limbs[places] * first).tolist()
        self._limbs[places] = 0
        return [((high << 96) + (upper << 64) + (lower << 32) + low) % MODULUS for high, upper, lower, low in limbs]


def check(database: Database) -> Sums:
    """Check the digest of every commit. Values must have been checked before (``Database.check``)."""
    adder = _summed(database)
    found = Sums(orphans=sorted((key >> 32, key & 0xFFFFFFFF) for key in adder.orphans))
    before: dict[int, int] = {}
    for run, number, stored, added in _commits(database, adder):
        total = int(stored, 16)
        expected = (total - before.get(run, 0)) % MODULUS
        before[run] = total
        if added != expected:
            found.wrong.append(Wrong(run, number, stored, added, expected))
    found.runs = before
    if found.wrong:
        found.wrong = _recomputed(database, found.wrong)
    return found


def added(database: Database) -> Iterator[int]:
    """Yield the sum of the row hashes of each commit, in commit order."""
    return (added for _, _, _, added in _commits(database, _summed(database)))


def _commits(database: Database, adder: _Adder) -> Iterator[tuple[int, int, str, int]]:
    for rows in database.pieces(_COMMITS, _ROWS_PER_BATCH):
        runs, numbers, texts = zip(*rows, strict=True)
        yield from zip(runs, numbers, texts, adder.take(runs, numbers), strict=True)


def _canonical_rows(database: Database) -> Iterator[list[tuple[Any, ...]]]:
    """Run, number and canonical text of all rows, in batches."""
    database.execute(_PROPOSALS)
    last = int(database.execute("SELECT coalesce(max(place), -1) FROM memory.proposals")[0][0])
    for first in range(0, last + 1, _PROGRAMS_PER_BATCH):
        yield database.execute(_PROPOSED, [first, first + _PROGRAMS_PER_BATCH - 1])
    database.execute("DROP TABLE memory.proposals")
    for table, text in _TEXTS.items():
        yield from database.pieces(f"SELECT run, number, {text} FROM {table}", _ROWS_PER_BATCH)


def _summed(database: Database) -> _Adder:
    """The sums over all rows of the archive, and over those that ``compact`` left out."""
    adder = _Adder(database)
    for rows in filter(None, _canonical_rows(database)):
        hashes = b"".join(text_hash((text or "").encode()) for _, _, text in rows)
        adder.add([row[0] for row in rows], [row[1] for row in rows], hashes)
    for rows in database.pieces("SELECT run, number, digest FROM pruned", _ROWS_PER_BATCH):
        adder.add([row[0] for row in rows], [row[1] for row in rows], b"".join(bytes.fromhex(row[2]) for row in rows))
    return adder


def _recomputed(database: Database, doubtful: Sequence[Wrong]) -> list[Wrong]:
    """The commits that are wrong by ``row_hash`` too."""
    database.execute(_DOUBTFUL)
    rows = [[one.run, one.number] for one in doubtful]
    database.execute("INSERT INTO memory.doubtful SELECT DISTINCT x[1], x[2] FROM (SELECT unnest(CAST(? AS INTEGER[][])) AS x)", [rows])
    sums: dict[Key, int] = {}
    for table in ("candidates", *ROWS):
        source = CANDIDATES.rstrip() if table == "candidates" else f"SELECT * FROM {table}"
        for row in database.stream(f"SELECT t.* FROM ({source}) AS t WHERE {_IN_DOUBT}"):
            key = row["run"], row["number"]
            sums[key] = sums.get(key, 0) + row_hash(table, row)
    for row in database.stream(f"SELECT t.* FROM pruned AS t WHERE {_IN_DOUBT}"):
        key = row["run"], row["number"]
        sums[key] = sums.get(key, 0) + int(row["digest"], 16)
    made = [Wrong(one.run, one.number, one.stored, sums.pop((one.run, one.number), 0) % MODULUS, one.expected) for one in doubtful]
    return [one for one in made if one.added != one.expected]


def _packed(runs: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return (runs.astype(np.int64) << 32) | numbers.astype(np.int64)

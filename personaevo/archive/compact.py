"""Rewriting archives into new files: ``archive compact`` and ``archive merge``."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from personaevo.archive import opening, queries
from personaevo.archive.bounds import TABLES
from personaevo.archive.catalog import VERSIONS
from personaevo.archive.database import Database, remove_file
from personaevo.archive.digest import digest_text, row_hash
from personaevo.archive.snapshot import draft_file, snapshot_file
from personaevo.errors import ArchiveError

# Candidates that are neither the seed program, nor an elite, nor named in the final table.
_DROPPED = """
CREATE OR REPLACE TABLE memory.dropped AS
SELECT run, number FROM candidates AS c
WHERE number > 0
  AND NOT EXISTS (FROM elites AS e WHERE e.run = c.run AND e.number = c.number)
  AND NOT EXISTS (FROM final_table AS t WHERE t.run = c.run AND t.program = c.program)
"""
_AMONG = "EXISTS (FROM memory.dropped AS d WHERE d.run = t.run AND d.number = t.number)"
_HEAVY = ("episodes", "personas")


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result of ``compact``: bytes before and after, and the numbers of rows that were left out."""

    before: int
    after: int
    episodes: int
    personas: int


def compact(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, elites: bool = False) -> Compacted:
    """Rewrite an archive without dead space, to the new file ``out`` or in place. One rename at the end replaces the file, so that after
    an interrupt there is either the old file or the new one.

    With ``elites``, only candidates that hold a cell, are named in the final table or are the seed program keep their episodes and
    personas. The digests still add up: table ``pruned`` has the sums of the rows that were left out.

    Raises:
        ArchiveBusyError: in place, another process has it open.
        ArchiveError: there is no such archive, it is damaged, ``out`` exists, or it cannot be written.
    """
    source = Path(path).resolve()
    if not source.is_file():
        raise ArchiveError(f"archive {source} does not exist: expected a file that personaevo search wrote")
    if out is None:
        return _compact_in_place(source, elites)
    with opening.new_file(Path(out).resolve()) as draft:
        database, held = opening.for_reading(source, [draft])
        with opening.closing(database, held):
            before = source.stat().st_size
            dropped = _rewrite(database, draft, elites)
            return Compacted(before, draft.stat().st_size, *dropped)


def _compact_in_place(path: Path, elites: bool) -> Compacted:
    before = path.stat().st_size
    database, held = opening.for_writing(path)
    draft = draft_file(path)
    with opening.closing(database, held):
        try:
            dropped = _rewrite(database, draft, elites)
            done = Compacted(before, draft.stat().st_size, *dropped)
            database.execute("CHECKPOINT")  # a log that is left would belong to the old file
            database.close()
            os.replace(draft, path)
            with suppress(OSError):
                snapshot_file(path).unlink()
        except OSError as error:
            raise ArchiveError(f"archive {path} cannot be replaced: {error.strerror}; it is unchanged") from error
        finally:
            remove_file(draft)
    return done


def _rewrite(database: Database, draft: Path, elites: bool) -> tuple[int, int]:
    """Write the remaining rows to ``draft``; return how many episodes and personas were left out."""
    left_out = _left_out(database) if elites else {}
    with database.attached(draft):
        database.execute("COPY FROM DATABASE archive TO copied (SCHEMA)")
        for table in (VERSIONS, *TABLES):
            some = f"WHERE NOT {_AMONG} ORDER BY t.rowid" if elites and table in _HEAVY else ""
            database.execute(f"INSERT INTO copied.{table} SELECT t.* FROM archive.{table} AS t {some}")
        for (run, number), (episodes, personas, total) in left_out.items():
            row = [run, number, episodes, personas, digest_text(total)]
            database.execute("INSERT INTO copied.pruned VALUES (?, ?, ?, ?, ?)", row)
    return sum(one[0] for one in left_out.values()), sum(one[1] for one in left_out.values())


def _left_out(database: Database) -> dict[tuple[int, int], tuple[int, int, int]]:
    """For each candidate whose rows are dropped: the numbers of its episodes and personas, and the sum of their hashes. Digests are
    verified first, as a mismatch could not be found afterwards."""
    queries.verified_digest(database)
    database.execute(_DROPPED)
    found: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for place, table in enumerate(_HEAVY):
        for row in database.stream(f"SELECT t.* FROM {table} AS t WHERE {_AMONG}"):
            entry = found[row["run"], row["number"]]
            entry[place] += 1
            entry[2] += row_hash(table, row)
    return {key: (entry[0], entry[1], entry[2]) for key, entry in found.items()}

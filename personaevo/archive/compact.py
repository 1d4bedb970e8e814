"""``archive compact``: an archive without dead space and, if wanted, without the dialogues that nobody will look at again."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from personaevo.archive import digest, opening, queries
from personaevo.archive.bounds import TABLES
from personaevo.archive.catalog import VERSIONS
from personaevo.archive.database import Database, remove_file
from personaevo.archive.snapshot import draft_file, snapshot_file
from personaevo.errors import ArchiveError

# Candidates whose rows are of no further use: neither the seed program, nor an elite, nor named in the final table.
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
    """What became of an archive: bytes before and after, and the rows that were left out."""

    before: int
    after: int
    episodes: int
    personas: int


def compact(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, elites: bool = False) -> Compacted:
    """Writes the archive anew, to the new file ``out`` or in its own place, by one rename at the end: whenever this is stopped, there is
    the old file or the new one.

    With ``elites``, episodes and personas stay only of candidates that hold a cell, are named in the final table or are the seed program;
    the digests still add up, as the sums of what was left out are noted (table ``pruned``).

    Raises:
        ArchiveBusyError: in its own place, somebody else has it open.
        ArchiveError: there is no such archive, it is damaged, ``out`` exists, or it cannot be written.
    """
    source = Path(path).resolve()
    if not source.is_file():
        raise ArchiveError(f"archive {source} does not exist: expected a file that personaevo search wrote")
    return _in_place(source, elites) if out is None else _to(source, Path(out).resolve(), elites)


def _to(source: Path, target: Path, elites: bool) -> Compacted:
    with opening.new_file(target) as draft:
        database, held = opening.for_reading(source, [draft])
        with opening.closing(database, held):
            before = source.stat().st_size
            return _measured(before, _rewritten(database, draft, elites), draft)


def _in_place(path: Path, elites: bool) -> Compacted:
    before = path.stat().st_size
    database, held = opening.for_writing(path)
    draft = draft_file(path)
    with opening.closing(database, held):
        try:
            done = _measured(before, _rewritten(database, draft, elites), draft)
            database.execute("CHECKPOINT")  # no log may be left that would belong to the old file
            database.close()
            os.replace(draft, path)
            with suppress(OSError):
                snapshot_file(path).unlink()
        except OSError as error:
            raise ArchiveError(f"archive {path} cannot be replaced: {error.strerror}; it is as it was") from error
        finally:
            remove_file(draft)
    return done


def _rewritten(database: Database, draft: Path, elites: bool) -> tuple[int, int]:
    """Writes all that is kept to ``draft``; how many episodes and personas were left out."""
    left_out = _left_out(database) if elites else {}
    with database.another(draft):
        database.execute("COPY FROM DATABASE archive TO copied (SCHEMA)")
        for table in (VERSIONS, *TABLES):
            some = f"WHERE NOT {_AMONG} ORDER BY t.rowid" if elites and table in _HEAVY else ""
            database.execute(f"INSERT INTO copied.{table} SELECT t.* FROM archive.{table} AS t {some}")
        for (run, number), (episodes, personas, total) in left_out.items():
            row = [run, number, episodes, personas, digest.as_text(total)]
            database.execute("INSERT INTO copied.pruned VALUES (?, ?, ?, ?, ?)", row)
    return sum(one[0] for one in left_out.values()), sum(one[1] for one in left_out.values())


def _left_out(database: Database) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Of each candidate whose rows are dropped: how many episodes and personas, and the sum of their hashes. What does not add up is not
    dropped: nobody could tell any more."""
    queries.verified_digest(database)
    database.execute(_DROPPED)
    found: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for place, table in enumerate(_HEAVY):
        for row in database.stream(f"SELECT t.* FROM {table} AS t WHERE {_AMONG}"):
            entry = found[row["run"], row["number"]]
            entry[place] += 1
            entry[2] += digest.row_hash(table, row)
    return {key: (entry[0], entry[1], entry[2]) for key, entry in found.items()}


def _measured(before: int, dropped: tuple[int, int], draft: Path) -> Compacted:
    return Compacted(before, draft.stat().st_size, *dropped)

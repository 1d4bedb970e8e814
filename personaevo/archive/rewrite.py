"""Rewriting archives into new files: ``archive compact`` and ``archive merge``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personaevo.archive import opening, queries
from personaevo.archive.database import Database, remove_file
from personaevo.archive.opening import draft_file, snapshot_file
from personaevo.archive.rows import digest_text, row_hash
from personaevo.archive.schema import TABLES, VERSIONS
from personaevo.archive.side_tables import Refinements
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


# What identifies a run, and how complete it is in a file: rows may have been left out, or the search may not have ended yet.
_RUNS = """
SELECT run, CAST(settings AS VARCHAR) AS settings,
       (SELECT count(*) FROM candidates AS c WHERE c.run = r.run) AS commits,
       (SELECT arg_max(digest, seq) FROM candidates AS c WHERE c.run = r.run) AS digest,
       (SELECT count(*) FROM final_tables AS t WHERE t.run = r.run) AS ended,
       (SELECT count(*) FROM episodes AS e WHERE e.run = r.run) AS episodes
FROM runs AS r ORDER BY run
"""
_RENUMBERED = "CREATE TABLE memory.renumbered (old INTEGER, new INTEGER, taken BOOLEAN)"
# By row id, so that no texts are sorted or held in memory.
_WANTED = """
CREATE TABLE memory.wanted AS
SELECT p.rowid AS place, EXISTS (FROM copied.programs AS known WHERE known.id = p.id) AS known FROM archive.programs AS p
WHERE EXISTS (FROM archive.candidates AS c JOIN memory.renumbered AS r ON r.old = c.run WHERE r.taken AND c.program = p.id)
ORDER BY place
"""
_OTHERS = """
CREATE TABLE memory.others AS
SELECT p.id AS id, p.source AS ours, known.source AS kept
FROM archive.programs AS p JOIN copied.programs AS known ON known.id = p.id
WHERE p.rowid IN (SELECT w.place FROM memory.wanted AS w WHERE w.known) AND p.source <> known.source
"""
_PROGRAMS = """
INSERT INTO copied.programs
SELECT p.id, p.source FROM archive.programs AS p JOIN memory.wanted AS w ON w.place = p.rowid
WHERE NOT w.known AND p.rowid BETWEEN $1 AND $2 AND w.place BETWEEN $1 AND $2 ORDER BY p.rowid
"""
# A proposal keeps its own text if it differs from the text stored for its program.
_CANDIDATES = """
INSERT INTO copied.candidates
SELECT c.* REPLACE (c.seq + ? AS seq, r.new AS run,
                    CASE WHEN o.id IS NULL THEN c.variant ELSE nullif(coalesce(c.variant, o.ours), o.kept) END AS variant)
FROM archive.candidates AS c JOIN memory.renumbered AS r ON r.old = c.run AND r.taken LEFT JOIN memory.others AS o ON o.id = c.program
ORDER BY c.seq
"""
_PROGRAMS_PER_BATCH = 20_000
_TABLES = (
    "runs", "evaluations", "episodes", "personas", "pruned", "final_tables", "finals", "comparisons", "rules", "levels", "controls",
    "screenings", "holders",
)  # fmt: skip
_ROWS = """
INSERT INTO copied.{table} SELECT t.* REPLACE (CAST(? AS INTEGER) AS run) FROM archive.{table} AS t WHERE t.run = ?
"""  # one scan, which keeps the order of the rows
_PART_SETTINGS = {"people", "behavior"}  # settings that tell which people a refinement was given
# The settings of the first file that has some; each person once, as a person of several files is equal in all.
_REFINED = (
    "INSERT INTO copied.refinement SELECT t.* FROM archive.refinement AS t WHERE NOT EXISTS (FROM copied.refinement)",
    """INSERT INTO copied.refined SELECT t.* FROM archive.refined AS t
    WHERE NOT EXISTS (FROM copied.refined AS k WHERE (k.person, k."role") = (t.person, t."role")) ORDER BY t.rowid""",
)
# Answers of a refinement belong to no run (see ``integrity``) and get the number after the last run.
_CALLS = """
INSERT INTO copied.model_calls
SELECT t.* REPLACE (coalesce(r.new, ?) AS run) FROM archive.model_calls AS t LEFT JOIN memory.renumbered AS r ON r.old = t.run
WHERE NOT EXISTS (FROM copied.model_calls AS known WHERE known."key" = t."key")
  AND (r.new IS NOT NULL OR EXISTS (FROM archive.refinement))
QUALIFY row_number() OVER (PARTITION BY t."key" ORDER BY t.rowid) = 1
ORDER BY t.rowid
"""
_CALIBRATIONS = """
INSERT INTO copied.calibrations
SELECT t.* FROM archive.calibrations AS t
WHERE NOT EXISTS (FROM copied.calibrations AS k WHERE (k.model, k.wording, k.prompt, k.made) = (t.model, t.wording, t.prompt, t.made))
ORDER BY t.rowid
"""


@dataclass(frozen=True, slots=True)
class MergedRun:
    """A run of one of the files, and its number in the new file; ``taken`` is False where an equal run of another file was copied."""

    file: Path
    run: int
    number: int
    taken: bool


@dataclass(slots=True)
class _Source:
    """One of the files, opened for reading."""

    path: Path
    database: Database


def merge(out: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]]) -> list[MergedRun]:
    """Write the new archive ``out`` with the runs of all files, numbered in the order given; return one ``MergedRun`` for each.

    Programs are stored once, and so are answers of models (the first answer to each question). Runs with the same settings, number of
    commits and digest are equal: the most complete of them is copied, once. Calibrations are copied without the answers that they were
    made from. Refined profiles are copied too: the refinements of several files may differ only in their people, and a person of several
    files must be equal in all. A refinement merged from parts can be read, but not resumed. The files are not changed; a file that is
    being written contributes its last snapshot.

    Raises:
        ArchiveError: ``out`` exists; a file cannot be read, is of a newer personaevo, holds nothing to merge, or was changed
            since it was written.
    """
    target = Path(out).resolve()
    with opening.new_file(target) as draft, ExitStack() as stack:
        sources = [_open_source(Path(file).resolve(), draft, stack) for file in files]
        _check_refinements(sources)
        runs = _number_runs(sources)
        Database.create(draft)
        beyond = 1 + max((run.number for run, _ in runs), default=0)
        for source in sources:
            _copy_source(source.database, draft, [run for run, owner in runs if owner is source], beyond)
    return [run for run, _ in runs]


def _open_source(path: Path, draft: Path, stack: ExitStack) -> _Source:
    database, held = opening.for_reading(path, [draft])
    stack.enter_context(opening.closing(database, held))
    queries.verified_digest(database)
    if all(database.is_empty(table) for table in ("runs", "calibrations", "refinement")):
        raise ArchiveError(f"archive {path} holds no run yet: leave it out")
    return _Source(path, database)


def _check_refinements(sources: Sequence[_Source]) -> None:
    """Check that the refinements of the files are parts of one, as an archive holds one refinement.

    Raises:
        ArchiveError: their settings differ, or a person was refined twice with different results.
    """
    begun: tuple[Path, dict[str, Any]] | None = None
    people: dict[tuple[str, str], tuple[Path, str]] = {}
    for source in sources:
        stored = Refinements(source.database, lambda: None, lambda: None)  # only read
        settings = stored.settings()
        if settings is None:
            continue
        begun = begun or (source.path, settings)
        other = next((name for name in sorted({*begun[1], *settings} - _PART_SETTINGS) if begun[1].get(name) != settings.get(name)), None)
        if other is not None:
            was, given = begun[1].get(other), settings.get(other)
            raise ArchiveError(
                f"archives {begun[0]} and {source.path} hold refinements whose '{other}' differs, {was!r:.80} and {given!r:.80}: "
                "one archive holds one refinement, leave one of them out"
            )
        for one in stored.people():
            path, digest = people.setdefault((one.person, one.role), (source.path, one.digest))
            if digest != one.digest:
                raise ArchiveError(
                    f"archives {path} and {source.path} hold person {one.person!r:.100} refined differently: leave one of them out"
                )


def _number_runs(sources: Sequence[_Source]) -> list[tuple[MergedRun, _Source]]:
    """All runs in order, each with its new number and its file."""
    found = [(source, row) for source in sources for row in source.database.rows(_RUNS)]
    keys = [(row["settings"], row["commits"], row["digest"]) for _, row in found]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
    by_completeness = sorted(range(len(found)), key=lambda place: (found[place][1]["ended"], found[place][1]["episodes"], -place))
    taken = {keys[place]: place for place in by_completeness}
    return [
        (MergedRun(source.path, row["run"], numbers[key], taken[key] == place), source)
        for place, ((source, row), key) in enumerate(zip(found, keys, strict=True))
    ]


def _copy_source(database: Database, draft: Path, runs: Sequence[MergedRun], beyond: int) -> None:
    """Copy the ``runs`` of one file to ``draft``; answers of its refinement get the run number ``beyond``."""
    database.execute(_RENUMBERED)
    for run in runs:
        database.execute("INSERT INTO memory.renumbered VALUES (?, ?, ?)", [run.run, run.number, run.taken])
    with database.attached(draft):
        database.execute(_WANTED)
        database.execute(_OTHERS)
        last = int(database.execute("SELECT coalesce(max(place), -1) FROM memory.wanted")[0][0])
        for first in range(0, last + 1, _PROGRAMS_PER_BATCH):
            database.execute(_PROGRAMS, [first, first + _PROGRAMS_PER_BATCH - 1])
        last = database.execute("SELECT coalesce(max(seq), 0) FROM copied.candidates")[0][0]
        database.execute(_CANDIDATES, [last])
        held = [table for table in _TABLES if not database.is_empty(table)]
        for run in sorted(runs, key=lambda run: run.number):
            for table in held if run.taken else ():
                database.execute(_ROWS.format(table=table), [run.number, run.run])
        database.execute(_CALLS, [beyond])
        for sql in (_CALIBRATIONS, *_REFINED):
            database.execute(sql)

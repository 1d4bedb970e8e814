"""Archives of any size for ``benchmarks.archive_scale``.

A few hundred commits are made through the archive itself; the rest are bulk copies with other numbers, texts and ids, and valid digests.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

from personaevo import content, definitions
from personaevo.archive import Archive, sums
from personaevo.archive.database import Database
from personaevo.archive.rows import digest_text
from personaevo.chat import Role
from personaevo.config import DEFAULT_OPERATORS
from personaevo.evolve.recombine import Parents, breed
from personaevo.judge.objectives import objectives
from personaevo.records import Candidate, CellScore, Commit, Episode, Estimate, Evaluation, Persona, PlanItem, Program, Remark, Scoring

_BRED = 200  # programs, each bred from another
_TEMPLATES = 500  # commits that are made one by one
_AT_ONCE = 40  # copies of the templates in one statement
_CELLS, _REMARKS, _TASKS, _TURNS = 16, 20, 10, 12
_WORDS = "the order refund please my name is number one want it now why no yes can you help with this when will that be done".split()
_SETTINGS = {"domain": "service", "seed": 7, "task_count": _TASKS}
_CELL_NAMES = [{"cell": cell, "name": f"mode {cell}", "mass": 1 / _CELLS} for cell in range(_CELLS)]
_OTHER_ID = "left(md5({} || g), 16)"
_COPIES = {
    "programs": f"SELECT {_OTHER_ID.format('t.id')}, t.source || g || chr(10)",
    "candidates": f"SELECT t.* REPLACE (t.seq + g * $3 AS seq, t.number + g * $3 AS number, {_OTHER_ID.format('t.program')} AS program, "
    f"list_transform(t.parents, lambda p: {_OTHER_ID.format('p')}) AS parents)",
    "evaluations": """SELECT t.* REPLACE (t.number + g * $3 AS number, map_from_entries(list_transform(map_entries(t.objectives), lambda x:
    {'k': x.key, 'v': {'value': x.value.value * (0.9 + 0.2 * random()), 'se': x.value.se * (0.9 + 0.2 * random()), 'raw': x.value.raw}}
    )) AS objectives, list_transform(t.cells, lambda x: {'cell': x.cell, 'share': x.share, 'score': x.score * (0.9 + 0.1 * random()),
    'se': x.se * (0.9 + 0.2 * random())}) AS cells)""",
    "episodes": "SELECT t.* REPLACE (t.number + g * $3 AS number, t.seed + g AS seed, t.p_human * (0.9 + 0.1 * random()) AS p_human)",
    "personas": "SELECT t.* REPLACE (t.number + g * $3 AS number, t.description || g AS description)",
}
_DIGESTS = """
UPDATE candidates SET digest = d.digest
FROM (SELECT unnest(CAST($1 AS BIGINT[])) AS seq, unnest(CAST($2 AS VARCHAR[])) AS digest) AS d WHERE candidates.seq = d.seq
"""


class Maker:
    """Makes commits as a search would, without playing; equal arguments give equal ones."""

    def __init__(self, *, episodes: bool) -> None:
        self._episodes = 4 if episodes else 0
        rng = random.Random(0)
        seed = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
        self._sources = [seed]
        while len(self._sources) < _BRED:
            self._sources.append(breed(Parents(rng.choice(self._sources), rng.choice(self._sources)), DEFAULT_OPERATORS, rng)[0])
        self._features = definitions.features().names
        self._objectives = [one.name for one in objectives()] + ["score"]

    def commits(self, count: int, name: str) -> Iterator[Commit]:
        """Commits numbered from 0; another ``name`` gives other programs, except the seed program."""
        for number in range(count):
            mark = f"\nMADE = '{name}', {number}\n# " if number else ""
            yield self._commit(number, self._sources[number % _BRED] + mark, random.Random(f"{name} {number}"))

    def _commit(self, number: int, source: str, rng: random.Random) -> Commit:
        program = Program(hashlib.sha256(source.encode()).hexdigest()[:16], source)
        found = {name: self._estimate(rng) for name in self._objectives}
        cells = tuple(CellScore(cell, rng.random() / 4, rng.random(), rng.random() / 9) for cell in rng.sample(range(_CELLS), 9))
        wanted = [Remark(rng.choice(self._features), rng.choice(("more", "less", "alike", "steadier"))) for _ in range(_REMARKS)]
        evaluation = Evaluation(program.id, "train", 4, 4, found, cells, tuple(wanted), "kernel")
        candidate = Candidate(number, program, (program.id,) if number else (), "change_number" if number else "seed", "evaluated")
        return Commit(candidate, evaluation, tuple(self._episode(slot, rng) for slot in range(self._episodes)))

    def _estimate(self, rng: random.Random) -> Estimate:
        return Estimate(rng.random(), rng.random() / 9, rng.random(), tuple(rng.random() for _ in range(_TASKS)))

    def _episode(self, slot: int, rng: random.Random) -> Episode:
        roles: tuple[Role, Role] = ("user", "assistant")
        turns = tuple((roles[turn % 2], " ".join(rng.choices(_WORDS, k=12)).capitalize() + ".") for turn in range(_TURNS))
        persona = Persona(
            id=f"p{slot}", description="Someone who is " + " ".join(rng.choices(_WORDS, k=6)) + ".",
            behaviors={name: rng.random() for name in ("terse", "skeptical", "frustrated", "ambiguous")},
            dials={name: rng.random() for name in self._features[:16]}, policy=" ".join(rng.choices(_WORDS, k=50)),
        )  # fmt: skip
        values = tuple(round(rng.random(), 4) for _ in self._features)
        item = PlanItem(f"service-media-{slot // 2:02}", slot % 2, rng.getrandbits(63))
        return Episode(item, "completed", turns, "completed", values, 1.0, rng.random(), slot, persona)


def build(path: Path, count: int, maker: Maker, seed: int) -> None:
    """Build an archive with one run of at least ``evaluations`` evaluations (rounded up to whole copies of the templates)."""
    templates = min(count, _TEMPLATES)
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(_SETTINGS | {"seed": seed}, _CELL_NAMES, Scoring({}, ()))
        for commit in maker.commits(templates, f"half {seed}"):
            archive.add(run.id, commit)
    if count > templates:
        database = Database.attach(path, readonly=False)
        try:
            _copy(database, templates, -(-count // templates))
        finally:
            database.close()


def _copy(database: Database, templates: int, copies: int) -> None:
    for first in range(1, copies, _AT_ONCE):
        for table, select in _COPIES.items():
            bound = templates if table not in ("episodes", "personas") else 4 * templates
            sql = f"INSERT INTO {table} {select} FROM range($1, $2) AS r(g), {table} AS t WHERE t.rowid < {bound}"
            parameters = [first, min(first + _AT_ONCE, copies), templates]
            database.execute(f"{sql} ORDER BY g, t.rowid", parameters[: 2 if table == "programs" else 3])
    _digest(database)
    database.execute("DELETE FROM holders")
    database.execute("INSERT INTO holders SELECT * FROM elites_anew")
    database.execute("CHECKPOINT")


def _digest(database: Database) -> None:
    """Store the digests of the rows."""
    found, total = sums.added(database), 0
    for rows in database.pieces("SELECT seq FROM candidates ORDER BY seq", 100_000):
        texts = []
        for _, added in zip(rows, found, strict=False):
            total += added
            texts.append(digest_text(total))
        database.execute(_DIGESTS, [[row[0] for row in rows], texts])

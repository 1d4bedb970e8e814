"""``archive export``: writes an archive as files for other programs."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from personaevo import definitions
from personaevo.archive import Archive, TableKind, write_tables
from personaevo.errors import InputError
from personaevo.records import Commit, Episode, Run
from personaevo.text import one_line

Part = Literal["programs", "personas", "dialogues"]
PARTS: tuple[Part, ...] = get_args(Part)
# The first lines have no text from the archive, which could declare another encoding to Python.
_HEAD = "# A persona program. It was written by chance or by a model, and nobody has read it:\n# run it in personaevo's sandbox only.\n"


def export(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    parts: Sequence[Part] = PARTS,
    *,
    tables: TableKind | None = None,
    elites: bool = False,
) -> dict[str, int]:
    """Write parts of an archive into a new (or empty) folder; returns the number of items of each kind.

    ``programs/ID.py``; ``personas.jsonl``; ``dialogues.jsonl``, completed ones only, in the form that ``--human`` reads, with their
    measurements; with ``tables`` every table and view as ``tables/NAME.parquet`` or ``.csv``. ``elites`` restricts the first three to
    candidates that hold a cell or are named in the final table. The folder appears when all files are written.

    Raises:
        InputError: the folder is not empty, or cannot be written.
        ArchiveError: the archive cannot be read.
    """
    target = Path(os.path.abspath(out))
    with Archive.read(path) as archive:
        draft = _draft(target)
        try:
            candidates = list(_candidates(archive, elites=elites))
            counts: dict[str, int] = {part: _WRITERS[part](archive, candidates, draft) for part in PARTS if part in parts}
            if tables is not None:
                (draft / "tables").mkdir()
                counts["tables"] = len(write_tables(archive.path, draft / "tables", tables))
            os.replace(draft, target)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {(error.strerror or str(error)).lower()}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return counts


def _draft(target: Path) -> Path:
    """A temporary folder next to the target."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists and is not an empty folder: give --out the name of a new one")
    try:
        draft = target.with_name(f".{target.name}.{os.getpid()}.new")
        draft.mkdir()
    except OSError as error:
        raise InputError(f"{target}: cannot be made: {(error.strerror or str(error)).lower()}; give --out another place") from error
    return draft


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A candidate of a run that was not a duplicate."""

    run: Run
    commit: Commit
    number: int
    key: str  # unique among the candidates of an archive


def _candidates(archive: Archive, *, elites: bool) -> Iterator[_Candidate]:
    for run in archive.runs():
        best = {elite.program_id for elite in archive.elites(run.id)} | {row.program_id for row in archive.final_table(run.id).rows}
        for commit in archive.commits(run.id):
            if commit.candidate.state != "duplicate" and (not elites or commit.candidate.program.id in best):
                number = commit.candidate.number
                yield _Candidate(run, commit, number, f"{run.id}-{number}")


# --- programs


def _write_programs(archive: Archive, candidates: Sequence[_Candidate], folder: Path) -> int:
    """Write ``programs/ID.py``. The source of a program that was proposed more than once is that of the first proposal."""
    comments: dict[str, list[str]] = {}
    sources: dict[str, str] = {}
    for one in candidates:
        program = one.commit.candidate.program
        sources.setdefault(program.id, program.source)
        comments.setdefault(program.id, []).append(_comment(one))
    (folder / "programs").mkdir()
    for key, source in sources.items():
        text = "".join([_HEAD, f"# id {key}\n", *comments[key], "\n", source if source.endswith("\n") else f"{source}\n"])
        (folder / "programs" / f"{key}.py").write_text(text, encoding="utf-8")
    return len(sources)


def _comment(one: _Candidate) -> str:
    """The candidate's origin and score as a comment line."""
    candidate, evaluation = one.commit.candidate, one.commit.evaluation
    words = [f"run {one.run.id}, candidate {one.number}", f"operator {candidate.operator}"]
    words.append(f"parents {', '.join(candidate.parents) or 'none'}")
    if evaluation is not None and "score" in evaluation.objectives:
        score = evaluation.objectives["score"]
        dialogues = f"{evaluation.completed} of {evaluation.planned} dialogues"
        words.append(f"score {score.value:.4f} (standard error {score.se:.4f}) over {dialogues}")
    if candidate.state == "failed":
        words.append(f"failed: {candidate.reason}")
    return f"# {one_line('; '.join(words))}\n"


# --- personas and dialogues


Rows = Callable[[_Candidate, Sequence[Episode]], Iterator[dict[str, Any]]]


def _write_lines(archive: Archive, candidates: Sequence[_Candidate], file: Path, rows: Rows) -> int:
    by_place = {(one.run.id, one.number): one for one in candidates}
    count = 0
    with file.open("w", encoding="utf-8") as lines:
        for run in archive.runs():
            for number, episodes in archive.all_episodes(run.id):
                one = by_place.get((run.id, number))
                for row in rows(one, episodes) if one is not None else ():
                    lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
    return count


def _personas(one: _Candidate, episodes: Sequence[Episode]) -> Iterator[dict[str, Any]]:
    """Rows of personas, each once, although several episodes may play it."""
    seen = set()
    for episode in episodes:
        if episode.persona is not None and (key := _persona_key(one, episode)) not in seen:
            seen.add(key)
            yield {**_place(one, episode), "key": key, **episode.persona.model_dump(mode="json")}


def _dialogues(one: _Candidate, episodes: Sequence[Episode]) -> Iterator[dict[str, Any]]:
    names = definitions.features().names
    played: Counter[tuple[str, int]] = Counter()
    for episode in episodes:
        place = episode.item.task_id, episode.item.slot
        played[place] += 1
        if episode.state == "completed":
            again = f"-{played[place]}" if played[place] > 1 else ""  # each persona is played in several dialogues
            values = episode.fingerprint
            known = names if len(names) == len(values) else map(str, range(len(values)))  # of another feature set: numbered
            yield {
                "id": f"{one.key}-{episode.item.task_id}-{episode.item.slot}{again}",
                "turns": [{"role": role, "content": content} for role, content in episode.turns],
                "user_id": _persona_key(one, episode), "domain": one.run.settings.get("domain", ""), "user_kind": "simulated",
                "source": "personaevo", **_place(one, episode), "outcome": episode.outcome, "p_human": episode.p_human,
                "cell": episode.cell, "task_preservation": episode.preservation, "features": dict(zip(known, values, strict=True)),
            }  # fmt: skip


def _place(one: _Candidate, episode: Episode) -> dict[str, Any]:
    program = one.commit.candidate.program.id
    return {"run": one.run.id, "candidate": one.number, "program": program, "task": episode.item.task_id, "slot": episode.item.slot}


def _persona_key(one: _Candidate, episode: Episode) -> str | None:
    """An id of the persona, unique in the archive."""
    return f"{one.key}-{episode.item.task_id}-{episode.item.slot}-{episode.persona.id}" if episode.persona is not None else None


_WRITERS: dict[Part, Callable[[Archive, Sequence[_Candidate], Path], int]] = {
    "programs": _write_programs,
    "personas": lambda archive, candidates, folder: _write_lines(archive, candidates, folder / "personas.jsonl", _personas),
    "dialogues": lambda archive, candidates, folder: _write_lines(archive, candidates, folder / "dialogues.jsonl", _dialogues),
}

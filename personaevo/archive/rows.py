"""Records to rows and back, and the digest of a run: an order-independent sum of row hashes.

A row is a dict of plain JSON values in the shape that DuckDB returns for its table. Only content enters the digest: not run ids,
settings, times, costs, nor the wording of failure reasons (which may name seconds or paths). Floats count to 9 significant digits, so
that machines whose last bits differ agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from personaevo.errors import ArchiveError
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Comparison,
    Control,
    Episode,
    Estimate,
    Evaluation,
    Level,
    Measure,
    Persona,
    PlanItem,
    Program,
    Remark,
    Scoring,
    TableRow,
)

MODULUS = 1 << 128
_write_json = TypeAdapter(Any).dump_json  # writes texts, numbers and lists like ``json.dumps``, in a third of the time


def digits(value: float | None) -> str | None:
    """Write a float with 9 significant digits; -0.0 becomes 0."""
    return None if value is None else f"{value + 0.0:.9g}"


def row_hash(table: str, row: Mapping[str, Any]) -> int:
    """Hash one row of ``candidates``, ``evaluations``, ``episodes``, ``personas`` or ``screenings`` to a number below 2**128.

    A row of ``candidates`` must carry the program's ``source`` besides its columns.
    """
    return int.from_bytes(text_hash(_canonical_json([table, row["number"], *_canonical(table, row)])), "big")


def text_hash(text: bytes) -> bytes:
    """Return the 16-byte hash of a row in its canonical form: a JSON list in UTF-8."""
    return hashlib.blake2b(text, digest_size=16).digest()


def row_sum(table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Return the sum of the rows' hashes modulo 2**128."""
    return sum(row_hash(table, row) for row in rows) % MODULUS


def digest_text(total: int) -> str:
    """Write a digest as 32 hexadecimal digits."""
    return f"{total % MODULUS:032x}"


def _canonical_json(value: list[Any]) -> bytes:
    try:
        return _write_json(value)
    except ValueError:  # text that is not Unicode: raise what ``str.encode`` raises
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _canonical(table: str, row: Mapping[str, Any]) -> list[Any]:
    """The values of a row that count, in their order."""
    if table == "candidates":
        return [row["program"], row["source"], list(row["parents"]), row["operator"], row["state"], row["fault"]]
    if table == "personas":
        levels = [[[name, digits(x)] for name, x in sorted(row[key].items())] for key in ("behaviors", "dials")]
        return [row["task"], row["slot"], row["id"], row["description"], *levels, row["policy"]]
    if table == "screenings":
        return [row["program"], row["operator"], digits(row["standing"]), row["played"]]
    if table == "evaluations":
        objectives = [[name, *(digits(x[key]) for key in ("value", "se", "raw"))] for name, x in sorted(row["objectives"].items())]
        cells = sorted([x["cell"], *(digits(x[key]) for key in ("share", "score", "se"))] for x in row["cells"])
        return [row["split"], row["planned"], row["completed"], objectives, cells]
    assert table == "episodes", table
    fingerprint = None if row["fingerprint"] is None else [f"{x + 0.0:.9g}" for x in row["fingerprint"]]
    measured = [fingerprint, digits(row["preservation"]), digits(row["p_human"]), row["cell"]]
    turns = [[turn["role"], turn["content"]] for turn in row["turns"]]
    item = [row["task"], row["slot"], str(row["seed"])]
    return [*item, row["state"], turns, row["outcome"], *measured, row["persona"], row["fault"]]


Row = dict[str, Any]
Rows = dict[str, list[Row]]
_write_row = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants")).dump_json
_NOT_FINITE = (b"NaN", b"Infinity")


def utc_now() -> datetime:
    """The present time in UTC without a zone, as the TIMESTAMP columns store it."""
    return datetime.now(UTC).replace(tzinfo=None)


def rows_of(run_id: int, commit: Commit) -> tuple[Rows, int]:
    """Return the rows of one commit by table, and their contribution to the digest.

    The tables are candidates (with ``source``, which is no column), evaluations, episodes, personas and screenings.
    Text that is not Unicode (such as a lone surrogate from a program) is stored in escaped form, so that no program can
    stop a search.

    Raises:
        ArchiveError: the commit breaks the contract: a failure without reason or fault, an evaluation that is missing
            or of another program, two personas under one id.
    """
    where = f"candidate {commit.candidate.number}"
    _check(commit, where)
    keys: Row = {"run": run_id, "number": int(commit.candidate.number)}
    rows: Rows = {
        "candidates": [keys | _candidate_row(commit.candidate)],
        "evaluations": [keys | _evaluation_row(commit.evaluation)] if commit.evaluation else [],
        "episodes": [keys | _episode_row(episode) for episode in commit.episodes],
        "personas": [keys | row for row in _persona_rows(commit.episodes, where)],
        "screenings": [
            keys | {"program": one.program_id, "operator": one.operator, "standing": float(one.standing), "played": one.played}
            for one in commit.screened
        ],
    }
    try:
        return rows, sum(row_sum(table, some) for table, some in rows.items()) % MODULUS
    except UnicodeEncodeError:
        rows = {table: [_escaped(row) for row in some] for table, some in rows.items()}
        return rows, sum(row_sum(table, some) for table, some in rows.items()) % MODULUS


def as_json(value: object) -> str:
    """Write JSON that DuckDB reads back without loss.

    Raises:
        ValueError: a number is not finite.
        TypeError: a value has no JSON form.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def row_as_json(row: Row) -> str:
    """``as_json`` of a row of plain values, in a third of the time.

    Raises:
        ValueError: a number is not finite.
    """
    try:
        text = _write_row(row)
    except ValueError:  # text that is not Unicode
        return as_json(row)
    if any(word in text for word in _NOT_FINITE):  # as a number, or inside a text: ``json.dumps`` tells which
        return as_json(row)
    return text.decode()


def commit_from(row: Row) -> Commit:
    """Build a commit, without its episodes, from a row of candidates (with ``source``) joined with its evaluation, if any."""
    program = Program(row["program"], row["source"])
    candidate = Candidate(row["number"], program, tuple(row["parents"]), row["operator"], row["state"], row["reason"], row["fault"])
    if row["split"] is None:
        return Commit(candidate)
    stored = row["replicates"] or {}
    objectives = {name: Estimate(**estimate, replicates=tuple(stored.get(name, ()))) for name, estimate in row["objectives"].items()}
    cells = tuple(CellScore(**cell) for cell in row["cells"])
    remarks = tuple(Remark(**remark) for remark in row["remarks"])
    counts = row["split"], row["planned"], row["completed"]
    return Commit(candidate, Evaluation(program.id, *counts, objectives, cells, remarks, row["tier"]))


def episode_from(row: Row) -> Episode:
    """Build an episode from its row joined with its persona (``description`` is NULL if there is none)."""
    persona = None
    if row["description"] is not None:
        shown = {name: row[name] for name in ("description", "behaviors", "dials", "policy")}
        persona = Persona(id=row["persona"], **shown)
    return Episode(
        item=PlanItem(row["task"], row["slot"], row["seed"]),
        state=row["state"],
        turns=tuple((turn["role"], turn["content"]) for turn in row["turns"]),
        outcome=row["outcome"],
        fingerprint=tuple(row["fingerprint"] or ()),
        preservation=row["preservation"] or 0.0,
        p_human=row["p_human"],
        cell=row["cell"],
        persona=persona,
        reason=row["reason"],
        fault=row["fault"],
        broke=tuple((one["turn"], tuple(one["points"])) for one in row["broke"] or ()),
    )


def table_rows(run_id: int, version: int, rows: Sequence[TableRow]) -> list[Row]:
    """Return the rows of ``final_tables``."""
    keys = ("mean", "low", "high", "raw", "completed", "planned")
    made: list[Row] = []
    for position, row in enumerate(rows):
        measures = {name: {key: getattr(measure, key) for key in keys} for name, measure in row.measures.items()}
        made.append({
            "run": run_id, "version": version, "position": position, "row": row.row, "program": row.program_id, "measures": measures,
        })  # fmt: skip
    return made


def finals_rows(run_id: int, version: int, finals: Sequence[Evaluation]) -> list[Row]:
    """Return the rows of ``finals``, in the order given."""
    rows = []
    for position, one in enumerate(finals):
        row = {key: value for key, value in _evaluation_row(one).items() if key in ("planned", "completed", "objectives", "tier")}
        rows.append({"run": run_id, "version": version, "position": position, "program": one.program_id, **row})
    return rows


def final_from(row: Row) -> Evaluation:
    """Build the evaluation of a finalist from its row of ``finals``."""
    objectives = {name: Estimate(**estimate) for name, estimate in row["objectives"].items()}
    return Evaluation(row["program"], "train", row["planned"], row["completed"], objectives, tier=row["tier"])


def comparison_rows(run_id: int, version: int, comparisons: Sequence[Comparison]) -> list[Row]:
    """Return the rows of ``comparisons``, in the order given."""
    return [{"run": run_id, "version": version, "position": position, **asdict(one)} for position, one in enumerate(comparisons)]


def comparison_from(row: Row) -> Comparison:
    """Build one comparison of the final table from its row."""
    return Comparison(**{name: row[name] for name in ("row", "against", "objective", "mean", "low", "high")})


def scoring_rows(run_id: int, scoring: Scoring) -> Rows:
    """Return the rows of ``rules``, ``levels`` and ``controls``."""
    rule = ("role", "direction", "floor", "version")
    return {
        "rules": [{"run": run_id, "objective": name, **dict(zip(rule, values, strict=True))} for name, values in scoring.rules.items()],
        "levels": [
            {"run": run_id, "split": split, "planned": planned, "objective": name, "zero": level.zero, "people": level.people}
            for split, planned, name, level in scoring.levels
        ],
        "controls": [
            {"run": run_id, "split": one.split, "kind": one.kind, "task": one.task_id, "fingerprint": list(one.fingerprint)}
            for one in scoring.controls
        ],
    }


def scoring_from(rows: Rows) -> Scoring:
    """Build the scoring of a run from the rows of its three tables."""
    return Scoring(
        {row["objective"]: (row["role"], row["direction"], row["floor"], row["version"]) for row in rows["rules"]},
        tuple((row["split"], row["planned"], row["objective"], Level(row["zero"], row["people"])) for row in rows["levels"]),
        tuple(Control(row["split"], row["kind"], row["task"], tuple(row["fingerprint"])) for row in rows["controls"]),
    )


def table_row_from(row: Row) -> TableRow:
    """Build a row of the final table."""
    return TableRow(row["row"], row["program"], {name: Measure(**measure) for name, measure in row["measures"].items()})


def _check(commit: Commit, where: str) -> None:
    candidate, evaluation = commit.candidate, commit.evaluation
    if candidate.state == "failed" and not (candidate.reason and candidate.fault):
        raise ArchiveError(f"{where} failed without a reason and a fault: both must be given")
    if any(episode.state == "failed" and not (episode.reason and episode.fault) for episode in commit.episodes):
        raise ArchiveError(f"{where} has an episode that failed without a reason and a fault: both must be given")
    if candidate.state == "evaluated" and evaluation is None:
        raise ArchiveError(f"{where} has the state 'evaluated', but no evaluation")
    if evaluation is not None and evaluation.program_id != candidate.program.id:
        raise ArchiveError(f"{where} is program {candidate.program.id}, but its evaluation is of {evaluation.program_id}")


def _candidate_row(candidate: Candidate) -> Row:
    return {
        "program": candidate.program.id,
        "source": candidate.program.source,
        "parents": list(candidate.parents),
        "operator": candidate.operator,
        "state": candidate.state,
        "reason": _escaped(candidate.reason),  # always: it is not in the digest, so no encoding error would tell
        "fault": candidate.fault,
    }


def _evaluation_row(evaluation: Evaluation) -> Row:
    return {
        "split": evaluation.split,
        "tier": evaluation.tier,
        "planned": int(evaluation.planned),
        "completed": int(evaluation.completed),
        "objectives": {
            name: {"value": float(x.value), "se": float(x.se), "raw": float(x.raw)} for name, x in evaluation.objectives.items()
        },
        "replicates": {name: [float(value) for value in x.replicates] for name, x in evaluation.objectives.items() if x.replicates},
        "cells": [{"cell": int(x.cell), "share": float(x.share), "score": float(x.score), "se": float(x.se)} for x in evaluation.cells],
        "remarks": [{"feature": x.feature, "wanted": x.wanted} for x in evaluation.remarks],
    }


def _episode_row(episode: Episode) -> Row:
    done = episode.state == "completed"  # the defaults in the record of a failed episode are not measured values
    return {
        "task": episode.item.task_id,
        "slot": int(episode.item.slot),
        "seed": str(int(episode.item.seed)),  # as text: JSON numbers end at 64 bits
        "state": episode.state,
        "turns": [{"role": role, "content": content} for role, content in episode.turns],
        "outcome": episode.outcome,
        "fingerprint": [float(x) for x in episode.fingerprint] if done else None,
        "preservation": float(episode.preservation) if done else None,
        "p_human": float(episode.p_human) if done and episode.p_human is not None else None,
        "cell": int(episode.cell) if done and episode.cell is not None else None,
        "persona": None if episode.persona is None else episode.persona.id,
        "reason": _escaped(episode.reason),
        "fault": episode.fault,
        "broke": [{"turn": turn, "points": list(points)} for turn, points in episode.broke] or None,
    }


def _persona_rows(episodes: Sequence[Episode], where: str) -> list[Row]:
    """One row per persona, also where several episodes play it."""
    rows: dict[tuple[str, int, str], Row] = {}
    for episode in episodes:
        item, persona = episode.item, episode.persona
        if persona is None:
            continue
        behaviors, dials = ({name: float(value) for name, value in some.items()} for some in (persona.behaviors, persona.dials))
        row: Row = {
            "task": item.task_id, "slot": int(item.slot), "id": persona.id, "description": persona.description,
            "behaviors": behaviors, "dials": dials, "policy": persona.policy,
        }  # fmt: skip
        if rows.setdefault((row["task"], row["slot"], row["id"]), row) != row:
            raise ArchiveError(f"{where} has two different personas {row['id']!r} in slot {row['slot']} of task {row['task']!r}")
    return list(rows.values())


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value

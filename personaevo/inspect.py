"""What an archive holds, as text for people. Stored text never reaches a terminal raw (``text.plain``)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from personaevo import programs
from personaevo.archive import Archive, Elite
from personaevo.errors import ArchiveError, ProgramError
from personaevo.measure.stats import student_factor
from personaevo.models import Account
from personaevo.records import Measure, Run, TableRow
from personaevo.text import one_line, plain

COLUMNS = ("human_likeness", "coverage", "score", "task_preservation")
_SHORT_ID = 12
_ROWS = {"persona_free": "persona-free", "seed_program": "seed program"}


def table_text(rows: Sequence[TableRow]) -> str:
    """The final table: share ± half the width of its 95 % interval (raw value), and how many planned episodes were completed."""
    header = [f"{'':12}", *(f"{name.replace('_', ' '):>19}" for name in ("human-likeness", *COLUMNS[1:])), "  episodes"]
    lines = ["".join(header)]
    for row in rows:
        cells = [f"{_entry(row.measures.get(name)):>19}" for name in COLUMNS]
        counted = next(iter(row.measures.values()), None)
        episodes = f"{counted.completed}/{counted.planned}" if counted else "-"
        lines.append(f"{_ROWS.get(row.row, row.row):12}{''.join(cells)}{episodes:>10}")
    return "\n".join(lines)


def _entry(measure: Measure | None) -> str:
    if measure is None:
        return "not measured"
    half = max(measure.high - measure.mean, measure.mean - measure.low)
    return f"{measure.mean:.2f} ± {half:.2f} ({measure.raw:.2f})"


def table_object(rows: Sequence[TableRow]) -> list[dict[str, Any]]:
    """The final table for ``--json``; what was not measured is None."""
    names = dict.fromkeys((*COLUMNS, *(name for row in rows for name in row.measures)))
    return [
        {"row": row.row, "program": row.program_id}
        | {name: asdict(row.measures[name]) if name in row.measures else None for name in names}
        for row in rows
    ]


# --- archive summary


def summary_text(archive: Archive) -> str:
    """``archive summary``: counts, the elite of each cell, the final table if the search has ended."""
    found = archive.summary()
    cells, lines = found["cells"], [f"archive   {one_line(os.fspath(archive.path))} (schema {found['schema']})"]
    lines += [
        f"domain    {one_line(found['domain'] or '-')}, {_count(found['runs'], 'run')}",
        "holds     " + ", ".join(_count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode")),
        f"cells     {cells['held']} of {cells['total']} held, with {cells['mass']:.0%} of people; QD score {found['qd_score']:.3f}",
        f"digest    {found['digest']}",
    ]
    if not found["runs"]:
        return "\n".join(lines)
    run = archive.run()
    lines += ["", *_elite_lines(run, archive.elites(run.id))]
    table = archive.table(run.id)
    lines += ["", "on held-out tasks and people:", table_text(table)] if table else ["", "no final table yet: the search has not ended"]
    return "\n".join(lines)


def _elite_lines(run: Run, elites: Sequence[Elite]) -> Iterator[str]:
    yield f"{'cell':>4}  {'people':>6}  {'score':>11}  {'elite':12}  people there are"
    by_cell = {elite.cell: elite for elite in elites}
    for cell in run.cells:
        elite = by_cell.get(cell["cell"])
        score = f"{elite.score:.2f} ± {elite.se:.2f}" if elite else "-"
        program = one_line(elite.program_id)[:_SHORT_ID] if elite else "-"
        yield f"{cell['cell']:>4}  {cell['mass']:>6.0%}  {score:>11}  {program:12}  {one_line(str(cell['name']))}"
    yield "      (score ± its standard error)"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- archive show


def best_id(archive: Archive) -> str:
    """The best program of the latest run: that of its final table, else the best evaluated one so far by search score.

    Raises:
        ArchiveError: there is none yet.
    """
    run = archive.run()
    named = [row.program_id for row in archive.table(run.id) if row.row == "evolved" and row.program_id]
    if named:
        return named[0]
    floor = float(run.settings.get("preservation_floor", 0.0))
    scored = [
        (commit.evaluation.objectives["score"].value, -commit.candidate.number, commit.candidate.program.id)
        for commit in archive.commits(run.id)
        if commit.evaluation is not None and commit.evaluation.objectives["task_preservation"].value >= floor
    ]
    if not scored:
        raise ArchiveError(f"archive {archive.path} has no evaluated program yet: let its search go on")
    return max(scored)[2]


def program_text(archive: Archive, prefix: str) -> str:
    """``archive show ID``: one program with where it comes from, what it scored, the cells it owns, and how its users talk.

    Raises:
        ArchiveError: no program or several begin so.
    """
    found = archive.program(prefix)
    sections = [
        _origin(found),
        _scores(archive, found["evaluations"]),
        _cells(found["cells"]),
        [plain(found["source"].rstrip())],
        _rules(found["source"]),
        *(_persona(persona) for persona in found["personas"]),
        _episode("best", found["best"]),
        _episode("worst", found["worst"]) if found["worst"] != found["best"] else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _origin(found: Mapping[str, Any]) -> list[str]:
    parents = ", ".join(one_line(parent)[:_SHORT_ID] for parent in found["parents"])
    bred = f"{one_line(found['operator'])} of {parents}" if parents else one_line(found["operator"])
    lines = [f"program   {one_line(found['id'])}", f"candidate {found['number']} of run {found['run']}: {found['state']}; made by: {bred}"]
    if found["reason"]:
        lines.append(f"reason    {one_line(found['reason'])} (fault: {found['fault']})")
    again = len(found["proposals"]) - 1
    return [*lines, f"proposed  {_count(again, 'time')} more"] if again else lines


def _scores(archive: Archive, evaluations: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = []
    for one in evaluations:
        tasks = int(archive.run(one["run"]).settings.get("task_count", 2))
        where = f"{one['split']} tasks, {one['completed']} of {one['planned']} planned episodes, sandbox {one_line(str(one['tier']))}"
        lines.append(f"scores on {where} (± half the 95 % interval):")
        for name, value in one["objectives"].items():
            half = f"± {student_factor(tasks - 1) * value['se']:.3f}" if value["se"] else " " * 7
            lines.append(f"  {one_line(name).replace('_', ' '):18} {value['value']:.3f} {half}  raw {value['raw']:.3f}")
    return lines


def _rules(source: str) -> list[str]:
    """What the static rules would have said to the author."""
    try:
        findings = programs.check(programs.parse(source))
    except ProgramError as error:
        return [f"rules: {one_line(str(error))}"]
    return ["rules:", *(f"  line {finding.line}: {one_line(finding.message)}" for finding in findings)] if findings else []


def _cells(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    named = [f"  {cell['cell']:>3}  {cell['mass'] or 0:>4.0%} of people  {one_line(str(cell['name']))}" for cell in cells]
    return ["cells it owns:", *named] if named else ["owns no cell"]


def _persona(persona: Mapping[str, Any]) -> list[str]:
    levels = ", ".join(f"{one_line(name)} {level:.2f}" for name, level in persona["behaviors"].items())
    head = f"persona {one_line(persona['id'])} for task {one_line(persona['task'])}: {one_line(persona['description'])}"
    return [head, *([f"  {levels}"] if levels else []), *(f"  | {line}" for line in plain(persona["policy"]).splitlines())]


def _episode(title: str, episode: Mapping[str, Any] | None) -> list[str]:
    if episode is None:
        return []
    figures = f"P(human) {episode['p_human']:.2f}, task preservation {episode['preservation']:.2f}, {one_line(episode['outcome'])}"
    lines = [f"{title} dialogue: task {one_line(episode['task'])}, persona {one_line(episode['persona'] or '-')}; {figures}"]
    return lines + [f"  {turn['role'] + ':':10} {one_line(turn['content'])}" for turn in episode["turns"]]


def spending_text(spending: Mapping[str, Account]) -> str:
    """What each role's model did and cost, a line each, and the sum."""
    lines = [f"{'role':12}{'calls':>8}{'known':>8}{'tokens in':>12}{'cached':>10}{'out':>10}{'US $':>10}{'s/call':>8}  failed attempts"]
    for role, account in spending.items():
        spent = account.spent
        failures = ", ".join(f"{kind} x{count}" for kind, count in sorted(account.failures.items())) or "none"
        lines.append(
            f"{role:12}{spent.calls:8,}{account.known:8,}{spent.input_tokens:12,}{spent.cached_tokens:10,}{spent.output_tokens:10,}"
            f"{spent.usd:10.4f}{spent.seconds / max(spent.calls, 1):8.2f}  {failures}"
        )
    return "\n".join(lines)


def spending_object(spending: Mapping[str, Account]) -> dict[str, Any]:
    """The same as plain values."""
    return {
        role: {
            "calls": one.spent.calls, "known": one.known, "input_tokens": one.spent.input_tokens, "cached_tokens": one.spent.cached_tokens,
            "output_tokens": one.spent.output_tokens, "usd": round(one.spent.usd, 6), "seconds": round(one.spent.seconds, 3),
            "failed_attempts": dict(one.failures),
        }
        for role, one in spending.items()
    }  # fmt: skip

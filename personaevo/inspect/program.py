"""``archive show``: one program with all that is known of it. Stored text never reaches a terminal raw (``text.plain``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from personaevo import programs
from personaevo.archive import Archive
from personaevo.errors import ArchiveError, ProgramError
from personaevo.inspect.words import SHORT_ID, count
from personaevo.measure.stats import student_factor
from personaevo.text import one_line, plain


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
    parents = ", ".join(one_line(parent)[:SHORT_ID] for parent in found["parents"])
    bred = f"{one_line(found['operator'])} of {parents}" if parents else one_line(found["operator"])
    lines = [f"program   {one_line(found['id'])}", f"candidate {found['number']} of run {found['run']}: {found['state']}; made by: {bred}"]
    if found["reason"]:
        lines.append(f"reason    {one_line(found['reason'])} (fault: {found['fault']})")
    again = len(found["proposals"]) - 1
    return [*lines, f"proposed  {count(again, 'time')} more"] if again else lines


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

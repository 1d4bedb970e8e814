"""Data of the page's program explorer: a list of all programs, some with source, a few with personas and dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from personaevo.records import Episode
from personaevo.report.charts import remark
from personaevo.report.material import Material, Plane, fingerprints, intervals, short

# Colored kinds of tokens; the first match counts. The letters are classes in page.css.
_KINDS: tuple[tuple[Any, str], ...] = (
    (Comment, "c"), (String, "s"), (Number, "n"), (Keyword, "k"), (Operator.Word, "k"), (Name.Function, "f"), (Name.Class, "f"),
    (Name.Builtin, "b"),
)  # fmt: skip
Line = tuple[tuple[str, str], ...]  # (kind or "", text) of each piece


def program_list(material: Material) -> list[dict[str, Any]]:
    """Return every candidate in the order of asking, with the data for the list, the search box and the lineage."""
    badges, best = _badges(material), material.best()
    ranks = {one.candidate.number: rank for rank, one in enumerate(material.ranked())}
    return [
        {
            "number": one.candidate.number,
            "id": one.candidate.program.id,
            "operator": one.candidate.operator,
            "state": one.candidate.state,
            "parents": list(one.candidate.parents),
            "reason": one.candidate.reason or "",
            "fault": one.candidate.fault or "",
            "planned": one.evaluation.planned if one.evaluation else 0,
            "completed": one.evaluation.completed if one.evaluation else 0,
            "tier": (one.evaluation.tier or "not recorded") if one.evaluation else "",
            "objectives": intervals(one, material.calls),
            "rank": ranks.get(one.candidate.number),
            "remarks": list(map(remark, one.evaluation.remarks)) if one.evaluation and one.candidate.number in material.sourced else [],
            "badges": (["best"] if one is best else []) + badges.get(one.candidate.number, []),
        }
        for one in material.commits
    ]


def _badges(material: Material) -> dict[int, list[str]]:
    """Badges by candidate: seed program, finalist, elite of a cell."""
    first: dict[str, int] = {}
    for one in material.commits:
        first.setdefault(one.candidate.program.id, one.candidate.number)
    found: dict[int, list[str]] = {0: ["seed"]}
    for number in dict.fromkeys(first[one.program_id] for one in material.finals if one.program_id in first):
        found.setdefault(number, []).append("finalist")
    for elite in material.elites:
        found.setdefault(elite.number, []).append(f"cell {elite.cell}")
    return found


def sources(material: Material) -> dict[str, Any]:
    """Return highlighted sources: ``lines`` has each distinct line once as [[kind, text], …], ``programs`` line numbers by candidate.

    Programs of one search share most lines, so this takes a fraction of the size of their texts.
    """
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    known: dict[Line, int] = {}
    programs: dict[int, list[int]] = {}
    colored: dict[str, list[int]] = {}
    for commit in material.commits:
        number, text = commit.candidate.number, commit.candidate.program.source
        if number not in material.sourced:
            continue
        if text not in colored:
            colored[text] = [known.setdefault(line, len(known)) for line in _lines(lexer, text)]
        programs[number] = colored[text]
    return {"lines": [list(map(list, line)) for line in known], "programs": programs}


def _lines(lexer: PythonLexer, text: str) -> list[Line]:
    """The lines of a text, split into colored pieces."""
    lines: list[list[tuple[str, str]]] = [[]]
    for token, value in lexer.get_tokens(text):
        kind = next((letter for family, letter in _KINDS if token in family), "")
        for index, piece in enumerate(value.split("\n")):
            if index:
                lines.append([])
            before = lines[-1].pop()[1] if lines[-1] and lines[-1][-1][0] == kind else ""
            if before or piece:
                lines[-1].append((kind, before + piece))
    return [tuple(line) for line in lines[: -1 if not lines[-1] else None]]


def dialogues(material: Material, plane: Plane | None) -> dict[int, Any]:
    """Return, for candidates shown in full, each persona with its dialogues, and the places of these in the plane.

    ``users`` are ordered by falling mean P(human) of their completed dialogues.
    """
    found: dict[int, Any] = {}
    for number, episodes in material.episodes.items():
        if episodes:
            users: dict[tuple[str, int], list[Episode]] = {}
            for one in episodes:
                users.setdefault((one.item.task_id, one.item.slot), []).append(one)
            order = sorted(users.items(), key=lambda item: -_mean_p_human(item[1]))
            points = plane(fingerprints(episodes)).tolist() if plane is not None else []
            found[number] = {
                "users": [_user(*place, some) for place, some in order], "points": [[short(x, 3), short(y, 3)] for x, y in points],
            }  # fmt: skip
    return found


def _mean_p_human(episodes: Sequence[Episode]) -> float:
    """Mean P(human) of the judged dialogues; -1 if there are none, which sorts them last."""
    judged = [one.p_human for one in episodes if one.state == "completed" and one.p_human is not None]
    return sum(judged) / len(judged) if judged else -1.0


def _user(task: str, slot: int, episodes: Sequence[Episode]) -> dict[str, Any]:
    persona, shown = next((one.persona for one in episodes if one.persona is not None), None), None
    if persona is not None:
        behaviors, dials = ({name: short(value, 3) for name, value in some.items()} for some in (persona.behaviors, persona.dials))
        shown = {"id": persona.id, "text": persona.text, "behaviors": behaviors, "dials": dials}
    return {"task": task, "slot": slot, "persona": shown, "dialogues": [_episode(one) for one in episodes]}


def _episode(one: Episode) -> dict[str, Any]:
    return {
        "state": one.state, "outcome": one.outcome, "p_human": None if one.p_human is None else short(one.p_human), "cell": one.cell,
        "preservation": short(one.preservation), "reason": one.reason or "", "turns": [[role == "user", text] for role, text in one.turns],
    }  # fmt: skip

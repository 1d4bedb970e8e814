"""Programs as the page's explorer shows them: all in a list, some with their source, a few with personas and dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from personaevo.records import Commit, Episode, Persona
from personaevo.report.material import Material
from personaevo.report.named import remark
from personaevo.report.numbers import Plane, fingerprints, intervals, short

# Kinds of tokens that are colored, the first that fits counts; the letters are classes in page.css.
_KINDS: tuple[tuple[Any, str], ...] = (
    (Comment, "c"), (String, "s"), (Number, "n"), (Keyword, "k"), (Operator.Word, "k"), (Name.Function, "f"), (Name.Class, "f"),
    (Name.Builtin, "b"),
)  # fmt: skip
Line = tuple[tuple[str, str], ...]  # (kind or "", text) of each piece


def program_list(material: Material) -> list[dict[str, Any]]:
    """Every candidate in the order of asking: what a list, a search box and a lineage need."""
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
            "remarks": _remarks(one, material),
            "badges": (["best"] if one is best else []) + badges.get(one.candidate.number, []),
        }
        for one in material.commits
    ]


def _remarks(commit: Commit, material: Material) -> list[str]:
    """The judge's remarks in words, of candidates shown with their source."""
    if commit.evaluation is None or commit.candidate.number not in material.sourced:
        return []
    return [remark(one) for one in commit.evaluation.remarks]


def _badges(material: Material) -> dict[int, list[str]]:
    """What a candidate is known for: the seed program, a finalist, the elite of cells."""
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
    """Sources with colors: ``lines``, each different one once as [[kind, text], …], and ``programs``, line numbers by candidate.

    Programs of one search are alike in most lines, so that this takes a fraction of their texts.
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
    """The text's lines in colored pieces."""
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
    """Of candidates shown in full: personas with their dialogues, and the places of these in the plane."""
    return {number: _shown(episodes, plane) for number, episodes in material.episodes.items() if episodes}


def _shown(episodes: Sequence[Episode], plane: Plane | None) -> dict[str, Any]:
    """``users``: each persona with all of its dialogues, as they were planned, by falling mean P(human) of those that completed."""
    users: dict[tuple[str, int], list[Episode]] = {}
    for one in episodes:
        users.setdefault((one.item.task_id, one.item.slot), []).append(one)
    order = sorted(users.items(), key=lambda item: -_likeness(item[1]))
    points = plane(fingerprints(episodes)).tolist() if plane is not None else []
    return {"users": [_user(*place, some) for place, some in order], "points": [[short(x, 3), short(y, 3)] for x, y in points]}


def _likeness(episodes: Sequence[Episode]) -> float:
    """Mean P(human) of the dialogues that were judged; -1 if none was, so that they come last."""
    judged = [one.p_human for one in episodes if one.state == "completed" and one.p_human is not None]
    return sum(judged) / len(judged) if judged else -1.0


def _user(task: str, slot: int, episodes: Sequence[Episode]) -> dict[str, Any]:
    persona = next((one.persona for one in episodes if one.persona is not None), None)
    return {
        "task": task, "slot": slot, "persona": None if persona is None else _persona(persona),
        "dialogues": [_episode(one) for one in episodes],
    }  # fmt: skip


def _persona(persona: Persona) -> dict[str, Any]:
    def levels(values: Mapping[str, float]) -> dict[str, float]:
        return {name: short(value, 3) for name, value in values.items()}

    return {
        "id": persona.id, "text": persona.text, "behaviors": levels(persona.behaviors), "dials": levels(persona.dials),
    }  # fmt: skip


def _episode(one: Episode) -> dict[str, Any]:
    return {
        "state": one.state, "outcome": one.outcome, "p_human": None if one.p_human is None else short(one.p_human), "cell": one.cell,
        "preservation": short(one.preservation), "reason": one.reason or "", "turns": [[role == "user", text] for role, text in one.turns],
    }  # fmt: skip

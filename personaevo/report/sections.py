"""The plots of a search: scores in the order of asking, gains by operator, and objectives against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

from personaevo.judge.objectives import SCORE
from personaevo.records import Commit, Episode
from personaevo.report.charts import BLUE, GRAY, GREEN, PURPLE, SHORT_ID, VERMILLION, Chart, Mark, figure, hover, listed, points, remark
from personaevo.report.material import Material, Plane, fingerprints, front, gains, in_words, intervals, mean_interval, short
from personaevo.text import one_line

SEED_OPERATOR = "seed"  # evolve.loop: the operator of candidate 0
_BARS_UP_TO = 400  # candidates; more error bars overlap too much
_LEAST_SPAN = 0.1  # of the axis of scores
_MIN_COMPARISONS = 4  # for an error bar: the interval of fewer would fill the plot
_STEPS = {"color": BLUE, "width": 2.5, "shape": "hv"}


def progress_chart(material: Material) -> Chart:
    """Plot the search score of each candidate in the order of asking, and the score of the best so far."""
    scored = material.scored()
    if not scored:
        return Chart(None, "No candidate has been evaluated yet.")
    found = {one.candidate.number: intervals(one, material.calls)[SCORE] for one in scored}
    leaders, bars = _leaders(material, scored), len(scored) <= _BARS_UP_TO
    so_far = {number: found[leader][0] for number, leader in leaders.items()}
    bottom, top = _range(list(found.values()), bars=bars)
    traces = _by_operator(material, scored, bars=bars)
    traces.append(go.Scatter(x=list(so_far), y=list(so_far.values()), name="best so far", mode="lines", line=_STEPS))
    failed = [one.candidate.number for one in material.commits if one.candidate.state == "failed"]
    if failed:
        marks = {"color": VERMILLION, "symbol": "x", "size": 7}
        traces.append(go.Scatter(x=failed, y=[bottom] * len(failed), customdata=failed, name="failed", mode="markers", marker=marks))
    rows = [
        [one.candidate.number, one.candidate.program.id[:SHORT_ID], one_line(one.candidate.operator), *found[one.candidate.number][:3],
         so_far.get(one.candidate.number)]
        for one in scored
    ]  # fmt: skip
    columns = ("candidate", "program", "operator", "score", "low", "high", "best so far")
    axis = {"range": [short(bottom - 0.05 * (top - bottom), 3), short(top + 0.05 * (top - bottom), 3)]}
    drawn = figure(traces, "candidate", "search score", yaxis=axis)
    return Chart(drawn, _progress_words(len(scored), bars=bars, failed=bool(failed)), columns, rows)


def _progress_words(scored: int, *, bars: bool, failed: bool) -> str:
    return (
        f"{scored:,} evaluated candidates in the order of asking. "
        "The best so far has the highest lower bound (score minus one standard error), so its score may fall a little. "
        + ("Error bars are 95 % intervals." if bars else f"With more than {_BARS_UP_TO}, the 95 % intervals are in the table only.")
        + (" Failed candidates are at the bottom." if failed else "")
    )


def _leaders(material: Material, scored: Sequence[Commit]) -> dict[int, int]:
    """The number of the best candidate so far at each candidate, from the first one that meets every floor."""
    found: dict[int, int] = {}
    best: Commit | None = None
    for commit in scored:
        if material.holds_floors(commit) and (best is None or material.lower_bound(commit) > material.lower_bound(best)):
            best = commit
        if best is not None:
            found[commit.candidate.number] = best.candidate.number
    return found


def _range(found: Sequence[Sequence[float]], *, bars: bool) -> tuple[float, float]:
    """The range of the axis of scores: that of the scores, or of their intervals if these are drawn and not much wider."""
    values = [one[0] for one in found]
    span = max(max(values) - min(values), _LEAST_SPAN)
    if not bars:
        return min(values), min(values) + span
    return max(min(one[1] for one in found), min(values) - span), min(max(one[2] for one in found), max(values) + span)


def operators_of(commit: Commit) -> list[str]:
    """Return the operators that made a candidate, each once; several may have been applied in sequence."""
    return list(dict.fromkeys(commit.candidate.operator.split("+")))


_FAMILIES: tuple[tuple[str, Mark, frozenset[str]], ...] = (
    ("by the judge's remarks", (GREEN, "circle"), frozenset({"follow_remarks"})),
    ("of two programs", (PURPLE, "square"), frozenset({"cross", "join", "crossover"})),
    ("by other operators", (GRAY, "triangle-up"), frozenset()),
)


def _by_operator(material: Material, scored: Sequence[Commit], *, bars: bool) -> list[Any]:
    """A trace for each family of operators; a candidate belongs to the first family that matches."""
    kinds: dict[str, list[Commit]] = {name: [] for name, _, _ in _FAMILIES}
    for commit in scored:
        kinds[next(name for name, _, members in _FAMILIES if not members or members & set(operators_of(commit)))].append(commit)
    traces = []
    for name, mark, _ in _FAMILIES:
        if not kinds[name]:
            continue
        numbers = [one.candidate.number for one in kinds[name]]
        found = np.array([intervals(one, material.calls)[SCORE] for one in kinds[name]])
        whiskers = {
            "type": "data", "symmetric": False, "array": [short(v) for v in found[:, 2] - found[:, 0]],
            "arrayminus": [short(v) for v in found[:, 0] - found[:, 1]], "thickness": 0.7, "width": 0, "color": mark[0],
        }  # fmt: skip
        text = [f"{one.candidate.number}: {one.candidate.program.id[:SHORT_ID]}<br>{hover(one.candidate.operator)}" for one in kinds[name]]
        at = np.column_stack([np.array(numbers, dtype=float), found[:, 0]])
        more = {"error_y": whiskers} if bars else {}
        traces.append(
            points(name, mark, at, customdata=numbers, text=text, hovertemplate="%{text}<br>score %{y:.3f}<extra></extra>",
                    marker={"size": 6}, **more)
        )  # fmt: skip
    return traces


def operators_chart(material: Material) -> Chart:
    """Plot the mean gain over the first parent by operator, with a table of the proposals of each and their states."""
    gained, groups = gains(material.commits), _operator_groups(material.commits)
    if not groups:
        return Chart(None, "There is no candidate except the seed program yet.")
    rows, means = [], []
    for name, commits in sorted(groups.items(), key=lambda item: -len(item[1])):
        states = [one.candidate.state for one in commits]
        own = [gained[one.candidate.number] for one in commits if one.candidate.number in gained]
        found = mean_interval(own)
        rows.append(
            [in_words(one_line(name)), len(commits), states.count("failed"), states.count("duplicate"), len(own),
             sum(value > 0 for value in own), *(short(value, 3) for value in found or ())]
        )  # fmt: skip
        if found is not None and len(own) >= _MIN_COMPARISONS:
            means.append((in_words(hover(name)), *found))
    words = (
        "Gain is the search score of a child minus that of its first parent. A child made by several operators counts for each. "
        f"Bars are 95 % intervals of the mean, drawn for at least {_MIN_COMPARISONS} comparisons; the table has all."
    )
    columns = ("operator", "proposals", "failed", "duplicates", "compared", "better than parent", "mean gain", "low", "high")
    return Chart(_mean_gains(means) if means else None, words, columns, rows)


def _mean_gains(means: Sequence[tuple[str, float, float, float]]) -> dict[str, Any]:
    """The figure of mean gains (name, mean, low, high)."""
    bars = {
        "type": "data", "symmetric": False, "array": [short(high - mean) for _, mean, _, high in means],
        "arrayminus": [short(mean - low) for _, mean, low, _ in means], "thickness": 1.5, "width": 0, "color": BLUE,
    }  # fmt: skip
    trace = go.Scatter(
        x=[short(mean) for _, mean, _, _ in means], y=[name for name, *_ in means], mode="markers", name="mean gain", error_x=bars,
        marker={"color": BLUE, "symbol": "diamond", "size": 9}, hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
    )  # fmt: skip
    layout = {
        "height": 90 + 30 * len(means), "xaxis": {"tickformat": "+.2f", "zeroline": True},
        "yaxis": {"title": {"text": ""}, "autorange": "reversed", "automargin": True, "type": "category"},
    }  # fmt: skip
    return figure([trace], "mean gain over the parent", "", **layout)


def _operator_groups(commits: Sequence[Commit]) -> dict[str, list[Commit]]:
    groups: dict[str, list[Commit]] = {}
    for commit in commits:
        for name in operators_of(commit):
            if name != SEED_OPERATOR:
                groups.setdefault(name, []).append(commit)
    return groups


def front_chart(material: Material) -> Chart:
    """Plot all evaluated candidates by two of the steering objectives (the page lets its reader choose them), and the Pareto front over
    all steering objectives of the candidates that meet every floor."""
    scored, names = material.scored(), material.steering
    if not scored or not names:
        return Chart(None, "No candidate has been evaluated yet.")
    feasible, rules = [one for one in scored if material.holds_floors(one)], material.scoring.rules
    signs = np.array([-1 if name in rules and rules[name][1] == "less" else 1 for name in names])  # so that more is better
    chosen = front({one.candidate.number: (signs * _values(one, names)).tolist() for one in feasible})
    by_number = {one.candidate.number: one for one in scored}
    on_front = [by_number[number] for number in chosen]
    axes = names if len(names) > 1 else (*names, SCORE)
    floors = listed(f"{in_words(name)} {floor:g}" for name, floor in material.floors.items())
    kinds = [
        ("meets every floor", (GRAY, "circle"), [one for one in feasible if one.candidate.number not in set(chosen)]),
        (f"below a floor ({floors})", (VERMILLION, "x"), [one for one in scored if not material.holds_floors(one)]),
        ("Pareto front", (GREEN, "diamond"), on_front),
    ]
    traces = [_candidates(name, mark, some, axes) for name, mark, some in kinds if some]
    shown = (*names, SCORE)
    rows = [[one.candidate.number, one.candidate.program.id[:SHORT_ID], *(short(v, 3) for v in _values(one, shown))] for one in on_front]
    words = _front_words(names, len(chosen), len(scored), len(scored) - len(feasible), floors)
    return Chart(figure(traces, *(hover(in_words(name)) for name in axes[:2])), words, ("candidate", "program", *map(in_words, shown)),
                 rows, axes)  # fmt: skip


def _front_words(names: Sequence[str], chosen: int, scored: int, below: int, floors: str) -> str:
    words = (
        f"{chosen} of {scored:,} evaluated candidates are on the Pareto front: no other is at least as good in "
        f"{listed(map(in_words, names))} together."
    )
    words += f" A front over {len(names)} objectives need not look like one over the two shown." if len(names) > 2 else ""
    return words + (f" {below:,} are below a floor ({floors}) and cannot be chosen." if below else "")


def _values(commit: Commit, names: Sequence[str]) -> list[float]:
    assert commit.evaluation is not None
    return [commit.evaluation.objectives[name].value for name in names]


def _candidates(name: str, mark: Mark, some: Sequence[Commit], axes: Sequence[str]) -> Any:
    at = np.array([_values(one, axes[:2]) for one in some])
    text = [
        "<br>".join([f"{one.candidate.number}: {one.candidate.program.id[:SHORT_ID]}",
                     *(f"{hover(in_words(axis))} {value:.3f}" for axis, value in zip(axes, _values(one, axes), strict=True))])
        for one in some
    ]  # fmt: skip
    numbers = [one.candidate.number for one in some]
    return points(name, mark, at, customdata=numbers, text=text, hovertemplate="%{text}<extra></extra>")


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

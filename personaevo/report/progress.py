"""The plots of how a search went: scores in their order, what operators brought, objectives against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from personaevo.judge.objectives import SCORE
from personaevo.records import Commit
from personaevo.report.figures import BLUE, GRAY, GREEN, PURPLE, SHORT_ID, VERMILLION, Chart, Mark, figure, hover, points
from personaevo.report.material import Material
from personaevo.report.named import listed
from personaevo.report.numbers import front, gains, intervals, mean_interval, short, spoken
from personaevo.text import one_line

SEED_OPERATOR = "seed"  # evolve.loop: of candidate 0
_BARS_UP_TO = 400  # candidates; more intervals than that hide one another
_LEAST_SPAN = 0.1  # of the axis of scores
_WORTH_A_BAR = 4  # comparisons: the interval of fewer would fill the plot
_STEPS = {"color": BLUE, "width": 2.5, "shape": "hv"}

# --- progress


def progress_chart(material: Material) -> Chart:
    """The search score of each candidate in the order of asking, and that of the best so far."""
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
    words = (
        f"{len(scored):,} evaluated candidates in the order of asking. "
        "The best so far has the highest lower bound (score less one standard error), so its score may fall a little. "
        + ("Whiskers are 95 % intervals." if bars else f"Of more than {_BARS_UP_TO}, the 95 % intervals are in the table only.")
        + (" Failed candidates stand at the bottom." if failed else "")
    )
    columns = ("candidate", "program", "operator", "score", "low", "high", "best so far")
    axis = {"range": [short(bottom - 0.05 * (top - bottom), 3), short(top + 0.05 * (top - bottom), 3)]}
    return Chart(figure(traces, "candidate", "search score", yaxis=axis), words, columns, rows)


def _leaders(material: Material, scored: Sequence[Commit]) -> dict[int, int]:
    """At each candidate the best one so far, by number; from the first that holds every floor on."""
    found: dict[int, int] = {}
    best: Commit | None = None
    for commit in scored:
        if material.holds_floors(commit) and (best is None or material.lower_bound(commit) > material.lower_bound(best)):
            best = commit
        if best is not None:
            found[commit.candidate.number] = best.candidate.number
    return found


def _range(found: Sequence[Sequence[float]], *, bars: bool) -> tuple[float, float]:
    """Where the axis of scores ends: at the scores, or at their intervals where these are drawn and not far wider."""
    values = [one[0] for one in found]
    span = max(max(values) - min(values), _LEAST_SPAN)
    if not bars:
        return min(values), min(values) + span
    return max(min(one[1] for one in found), min(values) - span), min(max(one[2] for one in found), max(values) + span)


def operators_of(commit: Commit) -> list[str]:
    """The operators that made a candidate, each once: several may follow each other."""
    return list(dict.fromkeys(commit.candidate.operator.split("+")))


_FAMILIES: tuple[tuple[str, Mark, frozenset[str]], ...] = (
    ("by the judge's remarks", (GREEN, "circle"), frozenset({"follow_remarks"})),
    ("of two programs", (PURPLE, "square"), frozenset({"cross", "join", "crossover"})),
    ("by other operators", (GRAY, "triangle-up"), frozenset()),
)


def _by_operator(material: Material, scored: Sequence[Commit], *, bars: bool) -> list[Any]:
    """A trace for each kind of operator: the first kind that took part counts."""
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


# --- what operators brought


def operators_chart(material: Material) -> Chart:
    """Of each operator that took part in proposals: how many, what became of them, and the mean gain over the first parent."""
    gained, groups = gains(material.commits), _operator_groups(material.commits)
    if not groups:
        return Chart(None, "There is no candidate beside the seed program yet.")
    rows, means = [], []
    for name, commits in sorted(groups.items(), key=lambda item: -len(item[1])):
        states = [one.candidate.state for one in commits]
        own = [gained[one.candidate.number] for one in commits if one.candidate.number in gained]
        found = mean_interval(own)
        rows.append(
            [spoken(one_line(name)), len(commits), states.count("failed"), states.count("duplicate"), len(own),
             sum(value > 0 for value in own), *(short(value, 3) for value in found or ())]
        )  # fmt: skip
        if found is not None and len(own) >= _WORTH_A_BAR:
            means.append((spoken(hover(name)), *found))
    words = (
        "Gain is the search score of a child less that of its first parent. Several operators may make one child: each counts. "
        f"Bars are 95 % intervals of the mean, drawn for at least {_WORTH_A_BAR} comparisons; the table has all."
    )
    columns = ("operator", "proposals", "failed", "duplicates", "compared", "better than parent", "mean gain", "low", "high")
    if not means:
        return Chart(None, words, columns, rows)
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
    return Chart(figure([trace], "mean gain over the parent", "", **layout), words, columns, rows)


def _operator_groups(commits: Sequence[Commit]) -> dict[str, list[Commit]]:
    groups: dict[str, list[Commit]] = {}
    for commit in commits:
        for name in operators_of(commit):
            if name != SEED_OPERATOR:
                groups.setdefault(name, []).append(commit)
    return groups


# --- objectives against each other


def front_chart(material: Material) -> Chart:
    """All evaluated candidates by two of the objectives that steer (the page's reader chooses which), and the Pareto front over all that
    steer, of those that hold every floor."""
    scored, names = material.scored(), material.steering
    if not scored or not names:
        return Chart(None, "No candidate has been evaluated yet.")
    holding = [one for one in scored if material.holds_floors(one)]
    by_number = {one.candidate.number: one for one in scored}
    chosen = front({one.candidate.number: _oriented(material, one) for one in holding})
    on_front = [by_number[number] for number in chosen]
    axes = names if len(names) > 1 else (*names, SCORE)
    floors = listed(f"{spoken(name)} {floor:g}" for name, floor in material.floors.items())
    kinds = [
        ("holds every floor", (GRAY, "circle"), [one for one in holding if one.candidate.number not in set(chosen)]),
        (f"below a floor ({floors})", (VERMILLION, "x"), [one for one in scored if not material.holds_floors(one)]),
        ("Pareto front", (GREEN, "diamond"), on_front),
    ]
    traces = [_candidates(name, mark, some, axes) for name, mark, some in kinds if some]
    shown = (*names, SCORE)
    rows = [[one.candidate.number, one.candidate.program.id[:SHORT_ID], *(short(v, 3) for v in _values(one, shown))] for one in on_front]
    words = (
        f"{len(chosen)} of {len(scored):,} evaluated candidates are on the Pareto front: no other is at least as good in "
        f"{listed(map(spoken, names))} together."
    )
    words += f" A front over {len(names)} objectives need not look like one over the two that are shown." if len(names) > 2 else ""
    below = len(scored) - len(holding)
    words += f" {below:,} are below a floor ({floors}) and cannot be chosen." if below else ""
    labels = [hover(spoken(name)) for name in axes[:2]]
    return Chart(figure(traces, *labels), words, ("candidate", "program", *map(spoken, shown)), rows, axes)


def _values(commit: Commit, names: Sequence[str]) -> list[float]:
    assert commit.evaluation is not None
    return [commit.evaluation.objectives[name].value for name in names]


def _oriented(material: Material, commit: Commit) -> list[float]:
    """Values of the objectives that steer, turned so that more is better."""
    rules, names = material.scoring.rules, material.steering
    signs = [-1 if name in rules and rules[name][1] == "less" else 1 for name in names]
    return [sign * value for sign, value in zip(signs, _values(commit, names), strict=True)]


def _candidates(name: str, mark: Mark, some: Sequence[Commit], axes: Sequence[str]) -> Any:
    at = np.array([_values(one, axes[:2]) for one in some])
    text = [
        "<br>".join([f"{one.candidate.number}: {one.candidate.program.id[:SHORT_ID]}",
                     *(f"{hover(spoken(axis))} {value:.3f}" for axis, value in zip(axes, _values(one, axes), strict=True))])
        for one in some
    ]  # fmt: skip
    numbers = [one.candidate.number for one in some]
    return points(name, mark, at, customdata=numbers, text=text, hovertemplate="%{text}<extra></extra>")

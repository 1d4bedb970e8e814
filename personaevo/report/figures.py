"""The plots, each with a table that says the same. Colors are those of Okabe and Ito, and every kind of mark has a shape of its own."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from personaevo import definitions
from personaevo.records import Commit, Floats
from personaevo.report.material import Material
from personaevo.report.numbers import (
    Plane,
    fingerprints,
    front,
    gains,
    intervals,
    mean_interval,
    short,
    spoken,
    spread,
)
from personaevo.text import one_line

SHORT_ID = 8
SEED_OPERATOR = "seed"  # evolve.search: of candidate 0
_GRAY, _BLUE, _VERMILLION, _PURPLE, _GREEN = "#8a8f98", "#0072B2", "#D55E00", "#CC79A7", "#009E73"
_BARS_UP_TO = 400  # candidates; more intervals than that hide one another
_LEAST, _MOST = -3.0, 5.0  # standard deviations at which the plot of behaviors ends
_WORTH_A_BAR = 4  # comparisons: the interval of fewer would fill the plot
_STEPS = {"color": _BLUE, "width": 2.5, "shape": "hv"}
Mark = tuple[str, str]  # color, symbol
PEOPLE, FREE, SEED, BEST = (_GRAY, "circle"), (_VERMILLION, "x"), (_PURPLE, "square"), (_BLUE, "diamond")


@dataclass(frozen=True)
class Chart:
    """A plot: Plotly's figure, what can be seen in it in a sentence or two, and the same as a table. Without a figure, the sentences say
    why there is none."""

    figure: dict[str, Any] | None
    words: str
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"figure": self.figure, "words": self.words, "columns": list(self.columns), "rows": [list(row) for row in self.rows]}


def _figure(traces: Sequence[Any], x: str, y: str, **layout: Any) -> dict[str, Any]:
    """A figure of these traces; the page sets what belongs to its theme."""
    axes = {"xaxis": {"title": {"text": x}} | layout.pop("xaxis", {}), "yaxis": {"title": {"text": y}} | layout.pop("yaxis", {})}
    plain: dict[str, Any] = go.Figure(list(traces), {"template": None, "hovermode": "closest", **axes, **layout}).to_plotly_json()
    plain["layout"].pop("template", None)
    return plain


def _points(name: str, mark: Mark, at: Floats, **more: Any) -> Any:
    """Points ``at[n, 2]`` of one kind."""
    marker = {"color": mark[0], "symbol": mark[1], "size": 8, "opacity": 0.85, **more.pop("marker", {})}
    xy = {"x": [short(value, 3) for value in at[:, 0]], "y": [short(value, 3) for value in at[:, 1]]}
    return go.Scatter(**xy, name=name, mode="markers", marker=marker, **more)


def _hover(text: str) -> str:
    """Stored text for a label: Plotly reads a little HTML there."""
    return html.escape(one_line(text)[:120])


# --- people and personas in one plane


def plane_chart(material: Material) -> tuple[Chart, Plane | None]:
    """The plane with people, the persona-free simulator, the seed program and the best one; and the plane itself for other programs."""
    people = material.compared.people
    if people is None:
        return _cells_chart(material), None
    plane = Plane.of(people.values, people.names)
    best, rows = material.best(), []
    kinds = [("people", PEOPLE, people.values), ("persona-free simulator", FREE, fingerprints(material.compared.persona_free))]
    if material.commits and material.commits[0] != best:
        kinds.append(("seed program", SEED, fingerprints(material.episodes.get(material.commits[0].candidate.number, ()))))
    kinds.append(("best program", BEST, fingerprints(material.episodes.get(best.candidate.number, ())) if best else np.empty((0, 0))))
    traces = []
    for name, mark, values in kinds:
        at = plane(values)
        if not len(at):
            continue
        traces.append(_points(name, mark, at, hoverinfo="name", marker={"size": 5, "opacity": 0.45} if mark == PEOPLE else {}))
        rows.append([name, len(at), *(short(value, 2) for value in (*at.mean(axis=0), *at.std(axis=0)))])
    traces.append(_centroids(material, plane))
    shares = [f"{share * 100:.0f} %" for share in plane.shares]
    titles = [f"{name} →  ({share} of people's variance)" for name, share in zip(plane.names, shares, strict=True)]
    words = (
        f"Each mark is one dialogue. The two directions are those in which people differ most; they hold {shares[0]} and {shares[1]} of "
        f"people's variance, so marks that lie together here may still differ elsewhere. Numbers are the centers of the cells."
    )
    columns = ("who", "dialogues", "mean across", "mean up", "spread across", "spread up")
    return Chart(_figure([trace for trace in traces if trace is not None], *titles), words, columns, rows), plane


def _centroids(material: Material, plane: Plane) -> Any:
    found = centroids(material)
    if found is None or found.shape[1] != plane.directions.shape[1]:
        return None
    at = found @ plane.directions.T
    text, hover = _cell_labels(material)
    return go.Scatter(
        x=[short(v, 3) for v in at[:, 0]], y=[short(v, 3) for v in at[:, 1]], name="cell centers", mode="text", text=text, hovertext=hover,
        hoverinfo="text",
    )  # fmt: skip


def _cell_labels(material: Material) -> tuple[list[str], list[str]]:
    cells = material.run.cells
    return [str(cell["cell"]) for cell in cells], [f"cell {cell['cell']}: {_hover(str(cell['name']))}" for cell in cells]


def centroids(material: Material) -> Floats | None:
    """The cells' centers on the standardized scale, ``[cells, d]``; None if the file does not hold them as it should."""
    rows = [cell.get("centroid") for cell in material.run.cells]
    try:
        found = np.array(rows, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.ndim == 2 and found.shape[1] >= 2 and len(found) >= 2 and np.abs(found).max() < 1e6 else None


def _cells_chart(material: Material) -> Chart:
    """Without people's figures: the cells' centers, as large as people's share in them, and as the best program's."""
    found = centroids(material)
    if found is None:
        return Chart(None, "There is no plane: neither people's figures nor the centers of their cells are at hand.")
    masses = np.array([float(cell["mass"]) for cell in material.run.cells])
    weights = masses / max(float(masses.sum()), 1e-9)
    centered = found - weights @ found
    _, _, directions = np.linalg.svd(centered * np.sqrt(weights)[:, None], full_matrices=False)
    at = centered @ directions[:2].T
    shares = cell_shares(material.best())
    reached = np.array([shares.get(int(cell["cell"]), 0.0) for cell in material.run.cells])
    text, hover = _cell_labels(material)
    traces = [
        _points("people", PEOPLE, at, marker={"size": _sizes(masses), "opacity": 0.4}, hovertext=hover, hoverinfo="text"),
        _points("best program", (_BLUE, "circle-open"), at, marker={"size": _sizes(reached)}, hovertext=hover, hoverinfo="text"),
        go.Scatter(x=at[:, 0].tolist(), y=at[:, 1].tolist(), name="cell numbers", mode="text", text=text, hoverinfo="skip"),
    ]
    rows = [
        [int(cell["cell"]), one_line(str(cell["name"])), f"{mass:.1%}", f"{share:.1%}"]
        for cell, mass, share in zip(material.run.cells, masses, reached, strict=True)
    ]
    words = (
        "People's figures are not at hand. In their place the centers of their cells: the gray area is as large as the share of people "
        "there, the ring as the share of the best program's dialogues."
    )
    return Chart(_figure(traces, "first direction", "second direction"), words, ("cell", "name", "people", "best program"), rows)


def _sizes(shares: Floats) -> list[float]:
    return [short(float(size), 1) for size in 120 * np.sqrt(shares)]


def cell_shares(commit: Commit | None) -> dict[int, float]:
    """The share of a candidate's planned dialogues in each cell that it reaches."""
    return {one.cell: one.share for one in commit.evaluation.cells} if commit is not None and commit.evaluation is not None else {}


# --- progress


def progress_chart(material: Material) -> Chart:
    """The search score of each candidate in the order of asking, and the best so far among those that hold the floor."""
    scored = material.scored()
    if not scored:
        return Chart(None, "No candidate has been evaluated yet.")
    best, so_far = 0.0, {}
    for commit in scored:
        best = max(best, intervals(commit, material.calls)["score"][0] if material.holds_floor(commit) else 0.0)
        so_far[commit.candidate.number] = best
    barred = scored if len(scored) <= _BARS_UP_TO else []
    traces = [
        *_by_operator(material, scored, bars=bool(barred)),
        go.Scatter(x=list(so_far), y=list(so_far.values()), name="best so far", mode="lines", line=_STEPS),
    ]
    failed = [one.candidate.number for one in material.commits if one.candidate.state == "failed"]
    if failed:
        marks = {"color": _VERMILLION, "symbol": "x", "size": 7}
        traces.append(go.Scatter(x=failed, y=[0.0] * len(failed), customdata=failed, name="failed", mode="markers", marker=marks))
    rows = []
    for commit in scored:
        value, low, high, _ = intervals(commit, material.calls)["score"]
        number = commit.candidate.number
        rows.append([number, commit.candidate.program.id[:SHORT_ID], one_line(commit.candidate.operator), value, low, high, so_far[number]])
    words = f"{len(scored):,} evaluated candidates in the order of asking. " + (
        "Whiskers are 95 % intervals." if barred else f"Of more than {_BARS_UP_TO}, the 95 % intervals are in the table only."
    )
    columns = ("candidate", "program", "operator", "score", "low", "high", "best so far")
    return Chart(_figure(traces, "candidate", "search score", yaxis={"range": [-0.03, 1.05]}), words, columns, rows)


def operators_of(commit: Commit) -> list[str]:
    """The operators that made a candidate, each once: several may follow each other."""
    return list(dict.fromkeys(commit.candidate.operator.split("+")))


_FAMILIES: tuple[tuple[str, Mark, frozenset[str]], ...] = (
    ("by the judge's remarks", (_GREEN, "circle"), frozenset({"follow_remarks"})),
    ("of two programs", (_PURPLE, "square"), frozenset({"cross", "join", "crossover"})),
    ("by other operators", (_GRAY, "triangle-up"), frozenset()),
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
        found = np.array([intervals(one, material.calls)["score"] for one in kinds[name]])
        whiskers = {
            "type": "data", "symmetric": False, "array": [short(v) for v in found[:, 2] - found[:, 0]],
            "arrayminus": [short(v) for v in found[:, 0] - found[:, 1]], "thickness": 0.7, "width": 0, "color": mark[0],
        }  # fmt: skip
        text = [f"{one.candidate.number}: {one.candidate.program.id[:SHORT_ID]}<br>{_hover(one.candidate.operator)}" for one in kinds[name]]
        at = np.column_stack([np.array(numbers, dtype=float), found[:, 0]])
        more = {"error_y": whiskers} if bars else {}
        traces.append(
            _points(name, mark, at, customdata=numbers, text=text, hovertemplate="%{text}<br>score %{y:.3f}<extra></extra>",
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
            means.append((spoken(_hover(name)), *found))
    words = (
        "Gain is the search score of a child less that of its first parent. Several operators may make one child: each counts. "
        f"Bars are 95 % intervals of the mean, drawn for at least {_WORTH_A_BAR} comparisons; the table has all."
    )
    columns = ("operator", "proposals", "failed", "duplicates", "compared", "better than parent", "mean gain", "low", "high")
    if not means:
        return Chart(None, words, columns, rows)
    bars = {
        "type": "data", "symmetric": False, "array": [short(high - mean) for _, mean, _, high in means],
        "arrayminus": [short(mean - low) for _, mean, low, _ in means], "thickness": 1.5, "width": 0, "color": _BLUE,
    }  # fmt: skip
    trace = go.Scatter(
        x=[short(mean) for _, mean, _, _ in means], y=[name for name, *_ in means], mode="markers", name="mean gain", error_x=bars,
        marker={"color": _BLUE, "symbol": "diamond", "size": 9}, hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
    )  # fmt: skip
    layout = {
        "height": 90 + 30 * len(means), "xaxis": {"tickformat": "+.2f", "zeroline": True},
        "yaxis": {"title": {"text": ""}, "autorange": "reversed", "automargin": True, "type": "category"},
    }  # fmt: skip
    return Chart(_figure([trace], "mean gain over the parent", "", **layout), words, columns, rows)


def _operator_groups(commits: Sequence[Commit]) -> dict[str, list[Commit]]:
    groups: dict[str, list[Commit]] = {}
    for commit in commits:
        for name in operators_of(commit):
            if name != SEED_OPERATOR:
                groups.setdefault(name, []).append(commit)
    return groups


# --- human-likeness and coverage


def front_chart(material: Material) -> Chart:
    """All evaluated candidates by the two objectives, the Pareto front of those that hold the floor of task preservation."""
    scored = material.scored()
    if not scored:
        return Chart(None, "No candidate has been evaluated yet.")
    holding = {one.candidate.number: _objectives(one) for one in scored if material.holds_floor(one)}
    below = {one.candidate.number: _objectives(one) for one in scored if one.candidate.number not in holding}
    best, names = front(holding), {one.candidate.number: one.candidate.program.id[:SHORT_ID] for one in scored}
    other = {number: at for number, at in holding.items() if number not in set(best)}
    traces = [
        _candidates("holds the floor", (_GRAY, "circle"), other, names),
        _candidates("below the floor of task preservation", (_VERMILLION, "x"), below, names),
        _candidates("Pareto front", (_GREEN, "diamond"), {number: holding[number] for number in best}, names, line=True),
    ]
    rows = [[number, names[number], *(short(value, 3) for value in holding[number])] for number in best]
    words = (
        f"{len(best)} of {len(scored):,} evaluated candidates are on the front: no other is at least as good in both. "
        f"{len(below):,} leave the task too often (task preservation below {material.floor:g}) and cannot be chosen."
    )
    figure = _figure([trace for trace in traces if trace is not None], "human-likeness", "coverage")
    return Chart(figure, words, ("candidate", "program", "human-likeness", "coverage"), rows)


def _objectives(commit: Commit) -> tuple[float, float]:
    assert commit.evaluation is not None
    found = commit.evaluation.objectives
    return found["human_likeness"].value, found["coverage"].value


def _candidates(name: str, mark: Mark, at: Mapping[int, tuple[float, float]], ids: Mapping[int, str], *, line: bool = False) -> Any:
    if not at:
        return None
    shown = "%{text}<br>human-likeness %{x:.3f}, coverage %{y:.3f}<extra></extra>"
    text = [f"{number}: {ids[number]}" for number in at]
    more = {"mode": "lines+markers", "line": {"color": mark[0], "width": 1.5}} if line else {}
    trace = _points(name, mark, np.array(list(at.values())), customdata=list(at), text=text, hovertemplate=shown)
    return trace.update(more)


# --- behavior by behavior


def behaviors_chart(material: Material) -> Chart:
    """Mean and spread of each behavior: people, the persona-free simulator, the best program. Scale: people's standard deviations."""
    people = material.compared.people
    if people is None:
        return Chart(None, "People's figures are not at hand, so behaviors cannot be laid beside them.")
    best = material.best()
    own = fingerprints(material.episodes.get(best.candidate.number, ())) if best is not None else np.empty((0, 0))
    free = fingerprints(material.compared.persona_free)
    kinds = [("people", PEOPLE, people.values), ("persona-free simulator", FREE, free), ("best program", BEST, own)]
    kinds = [kind for kind in kinds if kind[2].shape[1:] == people.values.shape[1:] and len(kind[2])]
    found = {name: spread(values) for name, _, values in kinds}
    units = {feature.name: feature.unit for feature in definitions.features().features}
    rows = [
        [spoken(feature), units.get(feature, ""), *(value for name in found for value in _told(found[name][column]))]
        for column, feature in enumerate(people.names)
    ]
    columns = ("behavior", "unit", *(f"{name}, {what}" for name in found for what in ("mean", "10–90 %")))
    deviation, mean = people.values.std(axis=0), people.values.mean(axis=0)
    shown = [column for column in range(len(people.names)) if deviation[column] > 1e-9]
    traces = []
    for lane, (name, mark, _) in enumerate(kinds):
        boxes = [{key: (value - mean[c]) / deviation[c] for key, value in found[name][c].items()} for c in shown]
        traces.append(_lane(name, mark, boxes, (lane - (len(kinds) - 1) / 2) * 0.26))
    ticks = {"tickvals": list(range(len(shown))), "ticktext": [spoken(people.names[c]) for c in shown], "automargin": True}
    layout = {
        "height": 120 + 34 * len(shown), "xaxis": {"range": [_LEAST - 0.3, _MOST + 0.3], "zeroline": True},
        "yaxis": {**ticks, "range": [len(shown) - 0.4, -0.6], "title": {"text": ""}},
    }  # fmt: skip
    figure = _figure(traces, "people's standard deviations from people's mean", "", **layout)
    return Chart(figure, _behavior_words(people.names, shown), columns, rows)


def _behavior_words(names: Sequence[str], shown: Sequence[int]) -> str:
    never = [spoken(name) for column, name in enumerate(names) if column not in set(shown)]
    words = (
        "Marks are means, bars reach from the 10 % to the 90 % quantile over dialogues. What lies beyond the edges is drawn there, "
        "a mean as an arrow; the table has the figures."
    )
    return words + (f" People here never differ in {', '.join(never)}: not drawn." if never else "")


def _told(box: Mapping[str, float]) -> tuple[str, str]:
    return f"{box['mean']:.3g}", f"{box['q10']:.3g} – {box['q90']:.3g}"


def _lane(name: str, mark: Mark, boxes: Sequence[Mapping[str, float]], offset: float) -> Any:
    """One kind's means and bars; a mean beyond an edge becomes an arrow there."""
    ends = [[max(_LEAST, min(_MOST, box[key])) for key in ("q10", "mean", "q90")] for box in boxes]
    bars = {
        "type": "data", "symmetric": False, "array": [short(max(0.0, high - mean)) for _, mean, high in ends],
        "arrayminus": [short(max(0.0, mean - low)) for low, mean, _ in ends], "thickness": 3, "width": 0, "color": mark[0],
    }  # fmt: skip
    symbols = ["triangle-right" if box["mean"] > _MOST else "triangle-left" if box["mean"] < _LEAST else mark[1] for box in boxes]
    text = [f"{box['mean']:+.2f} ({box['q10']:+.2f} to {box['q90']:+.2f})" for box in boxes if all(map(math.isfinite, box.values()))]
    return go.Scatter(
        x=[short(mean, 3) for _, mean, _ in ends], y=[short(index + offset, 3) for index in range(len(boxes))], name=name, mode="markers",
        marker={"color": mark[0], "symbol": symbols, "size": 9}, error_x=bars, text=text, hovertemplate="%{text}",
    )  # fmt: skip

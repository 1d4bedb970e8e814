"""Displayed names and meanings: measures in the order of tables, rows of the final table, and remarks in words.

Measures come from the archive and from the registry of objectives; no objective is named here.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from personaevo import definitions
from personaevo.evolve.ranking import AUDITOR, FREE
from personaevo.judge.objectives import SCORE, SCORING, meanings, objectives, ordered
from personaevo.records import Commit, Floats, Remark
from personaevo.reference import Reference
from personaevo.report.material import Material, Plane, fingerprints, in_words, matrix, short, spread
from personaevo.text import one_line

_ROLES = ("score", "steers", "holds", "audits", "beside")  # the order of groups of columns
_GROUPS = {
    "score": "overall", "steers": "steers the search", "holds": "held by a floor", "audits": "never steers", "beside": "for information",
}  # fmt: skip
_AUDITOR_MEANING = (
    "how well a random forest tells the row from held-out people, also by features that the search does not see (two-sample AUC): "
    "0.5 is no better than guessing, 1 is always right"
)

ROWS = {
    "humans": ("people", "other people, on their own tasks: not used for the judge or for the level that counts 1"),
    "persona_free": ("persona-free simulator", "the same simulator without any persona"),
    "average_person": ("average person", "one persona with the means of the people that steer, used for every user"),
    "copied_people": ("copied people", "dials copied from people's rows: how well the engine follows its dials"),
    "independent": ("independent marginals", "each dial from another person: people's marginals without their correlations"),
    "caricatures": ("caricatures", "people with their deviations from the mean doubled"),
    "programs": ("negative programs", "fixed programs of the domain that resemble people without copying any"),
    "seed_program": ("seed program", "the first program of the search"),
    "evolved": ("best program", "the winner of the finals"),
}  # fmt: skip
_REMARKS = {
    "more": "{}: people show more of it",
    "less": "{}: people show less of it",
    "wider": "{}: people's dialogues differ more in it",
    "narrower": "{}: people's dialogues differ less in it",
    "apart": "{}: people differ more from one another in it",
    "alike": "{}: people are more alike in it",
    "steadier": "{}: one person changes less in it from one dialogue to the next",
    "looser": "{}: one person changes more in it from one dialogue to the next",
    "together": "{}: among people they rise together more than here",
    "opposed": "{}: among people one falls as the other rises, more than here",
}


@dataclass(frozen=True)
class Measured:
    """One measure: its name in the archive, its title, its meaning ("" if unknown), its role ("score", "steers", "holds", "audits" or
    "beside"), the better direction, its floor, and whether values are scaled so that people are 1."""

    name: str
    title: str
    meaning: str
    role: str
    direction: str
    floor: float | None
    share: bool

    @property
    def group(self) -> str:
        """The heading of its group of columns."""
        return _GROUPS.get(self.role, self.role)


def measured(material: Material) -> list[Measured]:
    """Return all measures that the archive has values of, by role, and within a role in the order of the registry."""
    names = dict.fromkeys([SCORE, *material.scoring.rules])
    for commit in material.commits:
        names |= dict.fromkeys(commit.evaluation.objectives if commit.evaluation else ())
    for row in material.table:
        names |= dict.fromkeys(row.measures)
    known, scaled = _meanings(material), {level[2] for level in material.scoring.levels}
    found = []
    for name in ordered(list(names)):
        title, (role, direction, floor, _) = in_words(name), material.scoring.rules.get(name, ("beside", "more", None, 0))
        if name == SCORE:
            title, role, direction, floor = SCORE, "score", "more", None
        elif name == AUDITOR:
            title, role, direction, floor = "auditor's AUC", "audits", "less", None
        share = name == SCORE or (name != AUDITOR and name in scaled)
        found.append(Measured(name, title, known.get(name, ""), role, direction, floor, share))
    return sorted(found, key=lambda one: _ROLES.index(one.role) if one.role in _ROLES else len(_ROLES))


def _meanings(material: Material) -> dict[str, str]:
    """The meanings of measures whose installed version made the values: another version of the same name means something else."""
    if material.scored_by != SCORING:
        return {}
    rules, now = material.scoring.rules, {one.name: one.version for one in objectives()}
    same = {name: text for name, text in meanings().items() if name == SCORE or (name in rules and rules[name][3] == now[name])}
    return same | {AUDITOR: _AUDITOR_MEANING}


def row_name(row: str) -> str:
    """Return the displayed name of a row of the final table, or of a kind of control."""
    return ROWS[row][0] if row in ROWS else in_words(row)


def remark(one: Remark) -> str:
    """Write a remark of the judge as a sentence about people."""
    features = " and ".join(in_words(feature) for feature in one.feature.split("~"))
    return _REMARKS[one.wanted].format(features) if one.wanted in _REMARKS else f"{features}: {one.wanted}"


def listed(names: Iterable[str]) -> str:
    """Join names as in a sentence: "a, b and c"."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


SHORT_ID = 8
GRAY, BLUE, VERMILLION, PURPLE, GREEN = "#8a8f98", "#0072B2", "#D55E00", "#CC79A7", "#009E73"
_LEAST, _MOST = -3.0, 5.0  # range of the plot of behaviors in standard deviations
_LANES = 0.8  # the part of a behavior's height that marks use
Mark = tuple[str, str]  # color, symbol
PEOPLE, SEED, BEST = (GRAY, "circle"), (PURPLE, "square"), (BLUE, "diamond")
CONTROLS: Mapping[str, Mark] = {"persona_free": (VERMILLION, "x"), "average_person": (GREEN, "cross")}


@dataclass(frozen=True)
class Chart:
    """A Plotly figure with an explanation in a few sentences, and its content as a table. Without a figure, the explanation gives the
    reason. ``axes``: objectives that the page's reader can choose for x and y."""

    figure: dict[str, Any] | None
    words: str
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()
    axes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the chart as plain values."""
        axes = [{"name": name, "title": in_words(name), "label": hover(in_words(name))} for name in self.axes]
        rows = [list(row) for row in self.rows]
        return {"figure": self.figure, "words": self.words, "axes": axes, "columns": list(self.columns), "rows": rows}


def figure(traces: Sequence[Any], x: str, y: str, **layout: Any) -> dict[str, Any]:
    """Make a figure of these traces; the page adds its theme."""
    axes = {"xaxis": {"title": {"text": x}} | layout.pop("xaxis", {}), "yaxis": {"title": {"text": y}} | layout.pop("yaxis", {})}
    plain: dict[str, Any] = go.Figure(list(traces), {"template": None, "hovermode": "closest", **axes, **layout}).to_plotly_json()
    plain["layout"].pop("template", None)
    return plain


def points(name: str, mark: Mark, at: Floats, **more: Any) -> Any:
    """Make a trace of points ``at[n, 2]``."""
    marker = {"color": mark[0], "symbol": mark[1], "size": 8, "opacity": 0.85, **more.pop("marker", {})}
    xy = {"x": [short(value, 3) for value in at[:, 0]], "y": [short(value, 3) for value in at[:, 1]]}
    return go.Scatter(**xy, name=name, mode="markers", marker=marker, **more)


def hover(text: str) -> str:
    """Escape stored text for a label, where Plotly interprets some HTML."""
    return html.escape(one_line(text)[:120])


def plane_chart(material: Material) -> tuple[Chart, Plane | None]:
    """Plot people, controls, the seed program and the best program in the plane; also return the plane, for other programs."""
    people = material.compared.people
    if people is None:
        return _cells_chart(material), None
    plane = Plane.of(people.values, people.names)
    best, rows = material.best(), []
    kinds = [("people", PEOPLE, people.values), *_controls(material)]
    if material.commits and material.commits[0] != best:
        kinds.append(("seed program", SEED, fingerprints(material.episodes.get(material.commits[0].candidate.number, ()))))
    kinds.append(("best program", BEST, fingerprints(material.episodes.get(best.candidate.number, ())) if best else np.empty((0, 0))))
    traces = []
    for name, mark, values in kinds:
        at = plane(values)
        if not len(at):
            continue
        traces.append(points(name, mark, at, hoverinfo="name", marker={"size": 5, "opacity": 0.45} if mark == PEOPLE else {}))
        rows.append([name, len(at), *(short(value, 2) for value in (*at.mean(axis=0), *at.std(axis=0)))])
    traces.append(_centroids(material, plane))
    shares = [f"{share * 100:.0f} %" for share in plane.shares]
    titles = [f"{name} →  ({share} of people's variance)" for name, share in zip(plane.names, shares, strict=True)]
    words = (
        f"Each mark is one dialogue. The two directions are those in which people differ most. They explain {shares[0]} and {shares[1]} of "
        f"people's variance, so marks that are close here may still differ otherwise. Numbers are the centers of the cells."
    ) + ("" if material.controls(FREE) else " The archive has no dialogues of the persona-free simulator.")
    columns = ("who", "dialogues", "mean across", "mean up", "spread across", "spread up")
    return Chart(figure([trace for trace in traces if trace is not None], *titles), words, columns, rows), plane


def _controls(material: Material) -> list[tuple[str, Mark, Floats]]:
    """Title, mark and fingerprints of each control."""
    return [(row_name(kind), mark, matrix(material.controls(kind))) for kind, mark in CONTROLS.items()]


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
    return [str(cell["cell"]) for cell in cells], [f"cell {cell['cell']}: {hover(str(cell['name']))}" for cell in cells]


def centroids(material: Material) -> Floats | None:
    """Return the cells' centers on the standardized scale, ``[cells, d]``; None if the file has no valid ones."""
    rows = [cell.get("centroid") for cell in material.run.cells]
    try:
        found = np.array(rows, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.ndim == 2 and found.shape[1] >= 2 and len(found) >= 2 and np.abs(found).max() < 1e6 else None


def _cells_chart(material: Material) -> Chart:
    """The plot without people: the cells' centers, sized by people's share, and by the best program's share."""
    found = centroids(material)
    if found is None:
        return Chart(None, "There is no plane: neither people nor the centers of their cells are available.")
    masses = np.array([float(cell["mass"]) for cell in material.run.cells])
    weights = masses / max(float(masses.sum()), 1e-9)
    centered = found - weights @ found
    _, _, directions = np.linalg.svd(centered * np.sqrt(weights)[:, None], full_matrices=False)
    at = centered @ directions[:2].T
    shares, (text, hover) = cell_shares(material.best()), _cell_labels(material)
    reached = np.array([shares.get(int(cell["cell"]), 0.0) for cell in material.run.cells])
    sizes = [[short(float(size), 1) for size in 120 * np.sqrt(some)] for some in (masses, reached)]
    traces = [
        points("people", PEOPLE, at, marker={"size": sizes[0], "opacity": 0.4}, hovertext=hover, hoverinfo="text"),
        points("best program", (BLUE, "circle-open"), at, marker={"size": sizes[1]}, hovertext=hover, hoverinfo="text"),
        go.Scatter(x=at[:, 0].tolist(), y=at[:, 1].tolist(), name="cell numbers", mode="text", text=text, hoverinfo="skip"),
    ]
    rows = [
        [int(cell["cell"]), one_line(str(cell["name"])), f"{mass:.1%}", f"{share:.1%}"]
        for cell, mass, share in zip(material.run.cells, masses, reached, strict=True)
    ]
    words = (
        "People are not available. The plot shows the centers of their cells instead: the gray area is the share of people there, the ring "
        "is the share of the best program's dialogues."
    )
    return Chart(figure(traces, "first direction", "second direction"), words, ("cell", "name", "people", "best program"), rows)


def cell_shares(commit: Commit | None) -> dict[int, float]:
    """Return the share of a candidate's planned dialogues in each cell that it reaches."""
    return {one.cell: one.share for one in commit.evaluation.cells} if commit is not None and commit.evaluation is not None else {}


def behaviors_chart(material: Material) -> Chart:
    """Plot mean and spread of each behavior for people, controls and the best program, in standard deviations of people."""
    people = material.compared.people
    if people is None:
        return Chart(None, "People are not available, so behaviors cannot be compared with theirs.")
    best = material.best()
    own = fingerprints(material.episodes.get(best.candidate.number, ())) if best is not None else np.empty((0, 0))
    kinds = [("people", PEOPLE, people.values), *_controls(material), ("best program", BEST, own)]
    kinds = [kind for kind in kinds if kind[2].shape[1:] == people.values.shape[1:] and len(kind[2])]
    found = {name: spread(values) for name, _, values in kinds}
    columns = ("behavior", "unit", *(f"{name}, {what}" for name in found for what in ("mean", "10–90 %")))
    drawn, shown = _behaviors_figure(people, kinds, found)
    return Chart(drawn, _behavior_words(people.names, shown), columns, _behavior_rows(people.names, found))


def _behavior_rows(names: Sequence[str], found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[list[str]]:
    """A row for each behavior: its unit, and mean and quantiles of each kind."""
    units, rows = {feature.name: feature.unit for feature in definitions.features().features}, []
    for column, feature in enumerate(names):
        row = [in_words(feature), units.get(feature, "")]
        for boxes in found.values():
            box = boxes[column]
            row += [f"{box['mean']:.3g}", f"{box['q10']:.3g} – {box['q90']:.3g}"]
        rows.append(row)
    return rows


def _behaviors_figure(
    people: Reference, kinds: Sequence[tuple[str, Mark, Floats]], found: Mapping[str, Sequence[Mapping[str, float]]]
) -> tuple[dict[str, Any], list[int]]:
    """The figure, and the columns of the behaviors in it: those in which people differ."""
    deviation, mean = people.values.std(axis=0), people.values.mean(axis=0)
    shown = [column for column in range(len(people.names)) if deviation[column] > 1e-9]
    traces = []
    for lane, (name, mark, _) in enumerate(kinds):
        boxes = [{key: (value - mean[c]) / deviation[c] for key, value in found[name][c].items()} for c in shown]
        traces.append(_lane(name, mark, boxes, (lane - (len(kinds) - 1) / 2) * _LANES / len(kinds)))
    ticks = {"tickvals": list(range(len(shown))), "ticktext": [in_words(people.names[c]) for c in shown], "automargin": True}
    layout = {
        "height": 120 + 40 * len(shown), "xaxis": {"range": [_LEAST - 0.3, _MOST + 0.3], "zeroline": True},
        "yaxis": {**ticks, "range": [len(shown) - 0.4, -0.6], "title": {"text": ""}},
    }  # fmt: skip
    return figure(traces, "people's standard deviations from people's mean", "", **layout), shown


def _behavior_words(names: Sequence[str], shown: Sequence[int]) -> str:
    constant = [in_words(name) for column, name in enumerate(names) if column not in set(shown)]
    words = (
        "Marks are means, bars go from the 10 % to the 90 % quantile over dialogues. Values beyond an edge are drawn at the edge, "
        "means as arrows; the table has the exact values."
    )
    return words + (f" People do not differ in {', '.join(constant)}: not drawn." if constant else "")


def _lane(name: str, mark: Mark, boxes: Sequence[Mapping[str, float]], offset: float) -> Any:
    """The trace of one kind: means and bars, clipped to the range of the plot; a clipped mean is an arrow."""
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

"""What a plot is, and those that hold programs against people; each with a table that says the same. Colors are those of Okabe and Ito,
and every kind of mark has a shape of its own."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from personaevo import definitions
from personaevo.evolve.names import FREE
from personaevo.records import Commit, Floats
from personaevo.report.material import Material
from personaevo.report.named import row_name
from personaevo.report.numbers import Plane, fingerprints, matrix, short, spoken, spread
from personaevo.text import one_line

SHORT_ID = 8
GRAY, BLUE, VERMILLION, PURPLE, GREEN = "#8a8f98", "#0072B2", "#D55E00", "#CC79A7", "#009E73"
_LEAST, _MOST = -3.0, 5.0  # standard deviations at which the plot of behaviors ends
_LANES = 0.8  # of a behavior's height, shared by the kinds
Mark = tuple[str, str]  # color, symbol
PEOPLE, SEED, BEST = (GRAY, "circle"), (PURPLE, "square"), (BLUE, "diamond")
CONTROLS: Mapping[str, Mark] = {"persona_free": (VERMILLION, "x"), "average_person": (GREEN, "cross")}


@dataclass(frozen=True)
class Chart:
    """A plot: Plotly's figure, what can be seen in it in a sentence or two, and the same as a table. Without a figure, the sentences say
    why there is none. ``axes``: the page lets its reader choose among these objectives for x and y."""

    figure: dict[str, Any] | None
    words: str
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()
    axes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        axes = [{"name": name, "title": spoken(name), "label": hover(spoken(name))} for name in self.axes]
        rows = [list(row) for row in self.rows]
        return {"figure": self.figure, "words": self.words, "axes": axes, "columns": list(self.columns), "rows": rows}


def figure(traces: Sequence[Any], x: str, y: str, **layout: Any) -> dict[str, Any]:
    """A figure of these traces; the page sets what belongs to its theme."""
    axes = {"xaxis": {"title": {"text": x}} | layout.pop("xaxis", {}), "yaxis": {"title": {"text": y}} | layout.pop("yaxis", {})}
    plain: dict[str, Any] = go.Figure(list(traces), {"template": None, "hovermode": "closest", **axes, **layout}).to_plotly_json()
    plain["layout"].pop("template", None)
    return plain


def points(name: str, mark: Mark, at: Floats, **more: Any) -> Any:
    """Points ``at[n, 2]`` of one kind."""
    marker = {"color": mark[0], "symbol": mark[1], "size": 8, "opacity": 0.85, **more.pop("marker", {})}
    xy = {"x": [short(value, 3) for value in at[:, 0]], "y": [short(value, 3) for value in at[:, 1]]}
    return go.Scatter(**xy, name=name, mode="markers", marker=marker, **more)


def hover(text: str) -> str:
    """Stored text for a label: Plotly reads a little HTML there."""
    return html.escape(one_line(text)[:120])


# --- people and personas in one plane


def plane_chart(material: Material) -> tuple[Chart, Plane | None]:
    """The plane with people, controls, the seed program and the best one; and the plane itself for other programs."""
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
        f"Each mark is one dialogue. The two directions are those in which people differ most; they hold {shares[0]} and {shares[1]} of "
        f"people's variance, so marks that lie together here may still differ elsewhere. Numbers are the centers of the cells."
    ) + ("" if material.controls(FREE) else " The archive holds no dialogues of the persona-free simulator.")
    columns = ("who", "dialogues", "mean across", "mean up", "spread across", "spread up")
    return Chart(figure([trace for trace in traces if trace is not None], *titles), words, columns, rows), plane


def _controls(material: Material) -> list[tuple[str, Mark, Floats]]:
    """Controls that the archive holds dialogues of, as they are drawn."""
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
        points("people", PEOPLE, at, marker={"size": _sizes(masses), "opacity": 0.4}, hovertext=hover, hoverinfo="text"),
        points("best program", (BLUE, "circle-open"), at, marker={"size": _sizes(reached)}, hovertext=hover, hoverinfo="text"),
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
    return Chart(figure(traces, "first direction", "second direction"), words, ("cell", "name", "people", "best program"), rows)


def _sizes(shares: Floats) -> list[float]:
    return [short(float(size), 1) for size in 120 * np.sqrt(shares)]


def cell_shares(commit: Commit | None) -> dict[int, float]:
    """The share of a candidate's planned dialogues in each cell that it reaches."""
    return {one.cell: one.share for one in commit.evaluation.cells} if commit is not None and commit.evaluation is not None else {}


# --- behavior by behavior


def behaviors_chart(material: Material) -> Chart:
    """Mean and spread of each behavior: people, controls, the best program. Scale: people's standard deviations."""
    people = material.compared.people
    if people is None:
        return Chart(None, "People's figures are not at hand, so behaviors cannot be laid beside them.")
    best = material.best()
    own = fingerprints(material.episodes.get(best.candidate.number, ())) if best is not None else np.empty((0, 0))
    kinds = [("people", PEOPLE, people.values), *_controls(material), ("best program", BEST, own)]
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
        traces.append(_lane(name, mark, boxes, (lane - (len(kinds) - 1) / 2) * _LANES / len(kinds)))
    ticks = {"tickvals": list(range(len(shown))), "ticktext": [spoken(people.names[c]) for c in shown], "automargin": True}
    layout = {
        "height": 120 + 40 * len(shown), "xaxis": {"range": [_LEAST - 0.3, _MOST + 0.3], "zeroline": True},
        "yaxis": {**ticks, "range": [len(shown) - 0.4, -0.6], "title": {"text": ""}},
    }  # fmt: skip
    drawn = figure(traces, "people's standard deviations from people's mean", "", **layout)
    return Chart(drawn, _behavior_words(people.names, shown), columns, rows)


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

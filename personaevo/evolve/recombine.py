"""Operators on the syntax tree: each takes a parent (and a mate) and gives the source of a child, or None where it does not apply.

They work on what a persona program says as literals (AXES, LEVELS, COUPLINGS, TYPES) and on its function ``draw``, and leave every
other line alone. Their numbers come from the dials' plausible ranges, never from a reference.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.programs.edit import literals, with_function, with_literal

SHAPES: tuple[tuple[float, ...], ...] = (
    (0.0, 1.0),  # uniform
    (0.0, 0.1, 0.3, 1.0),  # mostly low
    (0.0, 0.7, 0.9, 1.0),  # mostly high
    (0.0, 0.4, 0.6, 1.0),  # mostly in the middle
    (0.0, 0.1, 0.9, 1.0),  # two camps
    (0.0, 0.5),
    (0.5, 1.0),
    (0.25, 0.75),
)
_ADDITIVE = 0.12  # standard deviation of a linear step, in units of the dial's range
_FACTOR = 0.5  # standard deviation of a multiplicative step, on the log scale
_MAX_AXES = 12


@dataclass(frozen=True)
class Parents:
    """What a child is bred from: the parent's source and, for crossing, a mate's."""

    source: str
    mate: str | None = None


Operator = Callable[[Parents, random.Random], str | None]


def change_number(parents: Parents, rng: random.Random) -> str | None:
    """Moves one to four end points of dials: by a factor, by a step, or both ends of a dial together."""
    axes = _axes(parents.source)
    places = [(axis["dials"], name) for axis in axes for name in axis["dials"]]
    if not places:
        return None
    for held, name in rng.sample(places, min(len(places), rng.choice((1, 2, 3, 4)))):
        held[name] = _moved(held[name], dials()[name], rng)
    return with_literal(parents.source, "AXES", axes)


def change_distribution(parents: Parents, rng: random.Random) -> str | None:
    """Gives one axis another distribution of levels, or bends the one it has."""
    axes, levels = _axes(parents.source), _literal(parents.source, "LEVELS", {})
    if not axes or not levels:
        return None
    name = rng.choice(axes)["name"]
    knots = levels.get(name, [0.0, 1.0])
    if rng.random() < 0.6:
        levels[name] = list(rng.choice(SHAPES))
    else:
        levels[name] = sorted(_tidy(min(max(knot + rng.gauss(0.0, 0.15), 0.0), 1.0)) for knot in knots)
    return with_literal(parents.source, "LEVELS", levels)


def add_axis(parents: Parents, rng: random.Random) -> str | None:
    """Adds an axis of one or two dials, preferring dials that no axis sets yet."""
    axes, levels = _axes(parents.source), _literal(parents.source, "LEVELS", {})
    if not axes or len(axes) >= _MAX_AXES:
        return None
    held = {name for axis in axes for name in axis["dials"]}
    free = [name for name in dials() if name not in held] or list(dials())
    chosen = rng.sample(free, min(len(free), rng.choice((1, 2))))
    taken = {axis["name"] for axis in axes}
    name = next(label for label in _labels("_and_".join(chosen)) if label not in taken)
    axes.append({"name": name, "definition": "", "low": "", "high": "", "dials": {}})
    axes[-1]["definition"] = "moves " + " and ".join(chosen)
    axes[-1]["dials"] = {dial: _end_points(dials()[dial], rng) for dial in chosen}
    levels[name] = list(rng.choice(SHAPES))
    return with_literal(with_literal(parents.source, "AXES", axes), "LEVELS", levels)


def drop_axis(parents: Parents, rng: random.Random) -> str | None:
    """Drops one axis; its dials fall back to what the simulator does unasked."""
    axes = _axes(parents.source)
    if len(axes) < 2:
        return None
    axes.pop(rng.randrange(len(axes)))
    return with_literal(parents.source, "AXES", axes)


def rewrite_axis(parents: Parents, rng: random.Random) -> str | None:
    """Draws new end points for one axis."""
    axes = _axes(parents.source)
    if not axes:
        return None
    axis = rng.choice(axes)
    axis["dials"] = {name: _end_points(dials()[name], rng) for name in axis["dials"]}
    return with_literal(parents.source, "AXES", axes)


def couple(parents: Parents, rng: random.Random) -> str | None:
    """Ties two dials: both on one axis, or their two axes in the correlated scaffold."""
    axes = _axes(parents.source)
    if len(axes) < 2:
        return None
    first, second = rng.sample(axes, 2)
    if rng.random() < 0.5 and len(second["dials"]) > 1:
        name = rng.choice(list(second["dials"]))
        first["dials"][name] = second["dials"].pop(name)
        return with_literal(parents.source, "AXES", axes)
    couplings = [pair for pair in _literal(parents.source, "COUPLINGS", []) if set(pair[:2]) != {first["name"], second["name"]}]
    couplings.append([first["name"], second["name"], _tidy(rng.uniform(-0.9, 0.9))])
    source = with_literal(parents.source, "COUPLINGS", couplings)
    return with_function(source, "draw", _scaffold("correlated"))


def switch_scaffold(parents: Parents, rng: random.Random) -> str | None:
    """Samples another way: independent, correlated, mixture or quasi-random."""
    name = rng.choice(("independent", "quasi_random", "quasi_random", "correlated", "mixture"))
    source = with_function(parents.source, "draw", _scaffold(name))
    if source is None or name != "mixture":
        return source
    names = [axis["name"] for axis in _axes(source)]
    kinds = [
        {"weight": _tidy(rng.uniform(0.2, 1.0)), "center": {name: _tidy(rng.random()) for name in names}, "width": _tidy(rng.uniform(0.2, 0.8))}
        for _ in range(rng.choice((2, 3, 4)))
    ]
    return with_literal(source, "TYPES", kinds)


def cross(parents: Parents, rng: random.Random) -> str | None:
    """Crosses two programs: the parent with some axes (end points and levels) as the mate has them, and perhaps the mate's scaffold."""
    if parents.mate is None:
        return None
    axes, theirs = _axes(parents.source), {axis["name"]: axis for axis in _axes(parents.mate)}
    levels, mate_levels = _literal(parents.source, "LEVELS", {}), _literal(parents.mate, "LEVELS", {})
    if not axes or not theirs:
        return None
    own = {axis["name"] for axis in axes}
    for name, axis in theirs.items():
        if rng.random() < 0.5:
            axes = [axis if one["name"] == name else one for one in axes] if name in own else [*axes, axis][:_MAX_AXES]
            levels[name] = mate_levels.get(name, [0.0, 1.0])
    return with_literal(with_literal(parents.source, "AXES", axes), "LEVELS", levels)


def reformat(parents: Parents, rng: random.Random) -> str | None:
    """Changes a comment and nothing else: a control that must never gain (not in the default mix)."""
    return f"{parents.source.rstrip()}\n# {rng.getrandbits(32):08x}\n"


OPERATORS: Mapping[str, Operator] = {
    "change_number": change_number,
    "change_distribution": change_distribution,
    "add_axis": add_axis,
    "drop_axis": drop_axis,
    "rewrite_axis": rewrite_axis,
    "couple": couple,
    "switch_scaffold": switch_scaffold,
    "cross": cross,
    "reformat": reformat,
}


def breed(parents: Parents, weights: Mapping[str, float], rng: random.Random) -> tuple[str, str]:
    """One child: one to three operators in a row, drawn by weight. Returns its source and the operators' names joined by "+"."""
    source, applied = parents.source, []
    for _ in range(rng.choice((1, 2, 2, 3))):
        name = rng.choices(list(weights), list(weights.values()))[0]
        child = OPERATORS[name](Parents(source, parents.mate), rng)
        if child is not None:
            source = child
            applied.append(name)
    return source, "+".join(applied)


def _axes(source: str) -> list[dict[str, Any]]:
    """The program's AXES, if they are a literal whose dials are all known; else none."""
    axes = _literal(source, "AXES", [])
    known = dials()
    good = all(isinstance(axis, dict) and "name" in axis and set(axis.get("dials", ())) <= set(known) for axis in axes)
    return [{**axis, "dials": axis.get("dials", {})} for axis in axes] if good else []


def _literal(source: str, name: str, default: Any) -> Any:
    value = literals(source).get(name, default)
    return copy.deepcopy(value) if isinstance(value, type(default)) else default


def _scaffold(name: str) -> str:
    return (content.root("seeds") / "scaffolds" / f"{name}.py").read_text(encoding="utf-8")


def _labels(base: str) -> Sequence[str]:
    return [base, *(f"{base}_{number}" for number in range(2, 2 * _MAX_AXES))]


def _moved(ends: Sequence[float], dial: Dial, rng: random.Random) -> list[float]:
    """New end points: one or both moved, by a factor or (linear dials) a step; kept inside the dial's range."""
    low, high = ends
    which = rng.choice(("low", "high", "both", "both", "narrow"))
    if which == "narrow":
        middle, keep = (low + high) / 2, rng.uniform(0.2, 0.8)
        return [_inside(middle + keep * (low - middle), dial), _inside(middle + keep * (high - middle), dial)]
    factor = math.exp(rng.gauss(0.0, _FACTOR))
    step = rng.gauss(0.0, _ADDITIVE) * (dial.high - dial.low) if dial.scale == "linear" and rng.random() < 0.5 else None
    new = [value * factor if step is None else value + step for value in (low, high)]
    return [_inside(new[0] if which != "high" else low, dial), _inside(new[1] if which != "low" else high, dial)]


def _end_points(dial: Dial, rng: random.Random) -> list[float]:
    """Two end points drawn from the dial's range, small values being likelier (most behaviors are rare)."""
    if dial.scale == "log":
        span = math.log(dial.high / dial.low)
        return [_inside(dial.low * math.exp(span * rng.random()), dial) for _ in range(2)]
    return [_inside(dial.low + (dial.high - dial.low) * rng.random() ** 3, dial) for _ in range(2)]


def _inside(value: float, dial: Dial) -> float:
    return _tidy(min(max(value, dial.low), dial.high))


def _tidy(value: float) -> float:
    """Three significant digits, so that programs stay readable."""
    return float(f"{value:.3g}")

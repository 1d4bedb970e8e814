"""Mutations of a genotype (moving dials; adding, splitting and coupling axes), and writing a genotype back into a source."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.evolve.genotype import Genotype, genotype_of, new_axis, oriented, whole, worded
from personaevo.programs.edit import with_function, with_literal, with_literals
from personaevo.programs.personas import MAX_AXES
from personaevo.simulate.director import FOLLOW_LENGTH

# Quantiles of an axis's level: simple shapes of a distribution over people.
SHAPES: tuple[tuple[float, ...], ...] = (
    (0.0, 1.0),  # uniform
    (0.25, 0.75),  # in the middle
    (0.0, 0.1, 0.9, 1.0),  # two camps
    (0.0, 0.5),  # the lower half
    (0.0, 0.1, 0.3, 1.0),  # mostly low
    (0.0, 0.1, 0.2, 0.3),  # low
    (0.0, 0.0, 0.0, 0.5),  # mostly none
    (0.0, 0.0, 0.1),  # next to none
    (0.5, 1.0),  # the upper half
    (0.0, 0.7, 0.9, 1.0),  # mostly high
    (0.7, 0.8, 0.9, 1.0),  # high
    (0.9, 1.0, 1.0),  # next to all
)
_ADDITIVE = 0.12  # standard deviation of a linear step, in units of the dial's range
_FACTORS = (0.1, 0.3, 1.0)  # standard deviations of small and large multiplicative steps, on the log scale
_LONGEST_NAME = 70  # of an axis, before it is numbered; 80 are allowed
_STRETCHES = {"wider": True, "apart": True, "narrower": False, "alike": False}
STEPS = (1.0, 0.6, 0.3, 0.15)  # of the reach: far steps find the region, near ones the place in it


def follow(genes: Genotype, dial: str, wanted: str, reach: float, rng: random.Random) -> None:
    """Move a dial in the direction of a remark on all axes that have it; if none has, on a new axis that starts at the simulator's
    default."""
    holders = [axis["dials"] for axis in genes.axes if dial in axis["dials"]]
    if not holders:  # a dial that follows the length of turns has no constant default: it starts at a random value
        start = end_points(dials()[dial], rng)[0] if dial in FOLLOW_LENGTH else dials()[dial].default
        grow(genes, [dial], rng, [nudged([start, start], dials()[dial], wanted, reach, rng)])
    for ends in holders:
        ends[dial] = oriented(ends[dial], nudged(ends[dial], dials()[dial], wanted, reach, rng))


def nudged(ends: Sequence[float], dial: Dial, wanted: str, reach: float, rng: random.Random) -> list[float]:
    """End points moved in the direction of a remark: by a random factor of up to exp(reach), or stretched around their middle."""
    factor = math.exp(reach * rng.uniform(0.1, 1.0))
    if wanted in _STRETCHES:
        middle = sum(ends) / 2
        apart = _STRETCHES[wanted]
        least = 0.02 * reach * (dial.high - dial.low) if apart and ends[0] == ends[1] else 0.0  # equal ends cannot be stretched
        stretch = factor if apart else 1 / factor
        return [inside(middle + sign * least + (end - middle) * stretch, dial) for sign, end in zip((-1, 1), ends, strict=True)]
    if wanted == "less":
        return [inside(end / factor, dial) for end in ends]
    floor = 0.02 * reach * (dial.high - dial.low) * rng.random()  # zero times anything stays zero
    return [inside(max(end, floor) * factor, dial) for end in ends]


def grow(genes: Genotype, chosen: Sequence[str], rng: random.Random, ends: Sequence[Sequence[float]] | None = None) -> bool:
    """Add an axis of these dials, for all kinds of people or one; False if there are too many axes."""
    if len(genes.axes) >= MAX_AXES:
        return False
    axis = new_axis(dict(zip(chosen, ends or [end_points(dials()[dial], rng) for dial in chosen], strict=True)))
    name = axis["name"] = fresh(axis["name"], {one["name"] for one in genes.axes})
    genes.axes.append(axis)
    genes.levels[name] = list(rng.choice(SHAPES)) if ends is None else [0.0, 1.0]
    for kind in genes.kinds if ends is not None or rng.random() < 0.5 else genes.kinds and [rng.choice(genes.kinds)]:
        kind["axes"].append(name)
    return True


def with_genes(source: str, genes: Genotype) -> str:
    """The source with this genotype, axes that were added included."""
    kinds = {"KINDS": genes.kinds} if genes.kinds else {}
    return with_literals(source, {"AXES": _worded(source, genes.axes), "LEVELS": genes.levels, **kinds})


def with_axes(source: str, axes: Sequence[Mapping[str, Any]]) -> str:
    """The source with these axes; the texts of axes with changed dials are updated."""
    return with_literal(source, "AXES", _worded(source, axes))


def _worded(source: str, axes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whole axes, with new texts where dials differ from those of the source."""
    before = genotype_of(source)
    known = {axis["name"]: axis["dials"] for axis in before.axes} if before else {}
    return [whole(axis if known.get(axis["name"]) == axis["dials"] else worded(axis)) for axis in axes]


def as_mixture(source: str, genes: Genotype) -> str | None:
    """The source as a mixture of the kinds, with the mixture scaffold."""
    source = with_literal(with_genes(source, genes), "KINDS", shares(genes.kinds))
    return with_function(source, "draw", scaffold("mixture"))


def tie(genes: Genotype, both: str, strength: float) -> bool:
    """Couple the axes of two dials ("ONE~OTHER") so that the dials correlate by ``strength``. If both are on one axis, which correlates
    them fully, the second is first moved to an axis of its own. False unless each dial is on exactly one axis."""
    first, second = both.split("~")
    shared = next((axis for axis in genes.axes if {first, second} <= axis["dials"].keys()), None)
    if shared is not None and not _split(genes, shared, second):
        return False
    places = [(axis, dial) for dial in (first, second) for axis in genes.axes if dial in axis["dials"]]
    names = list(dict.fromkeys(axis["name"] for axis, _ in places))
    if len(places) != len(names) or len(names) != 2:
        return False
    for axis, dial in places:
        start, end = axis["dials"][dial]
        strength *= -1.0 if end < start else 1.0
    genes.couplings = [pair for pair in genes.couplings if set(pair[:2]) != set(names)] + [[*names, tidy(strength)]]
    return True


def _split(genes: Genotype, axis: dict[str, Any], dial: str) -> bool:
    """Move a dial to an axis of its own with the same end points, levels and kinds; False if there are too many axes."""
    if len(genes.axes) >= MAX_AXES:
        return False
    alone = new_axis({dial: axis["dials"].pop(dial)})
    name = alone["name"] = fresh(alone["name"], {one["name"] for one in genes.axes})
    genes.axes.append(alone)
    genes.levels[name] = list(genes.levels.get(axis["name"], [0.0, 1.0]))
    for kind in genes.kinds:
        if axis["name"] in kind["axes"]:
            kind["axes"].append(name)
    return True


def with_couplings(source: str, genes: Genotype) -> str | None:
    """The source with these couplings, and a scaffold that uses them."""
    source = with_literal(source, "COUPLINGS", genes.couplings)
    return with_function(source, "draw", scaffold("mixture" if len(genes.kinds) > 1 else "correlated"))


def population(genes: Genotype) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """Axes, levels and kinds of a program; a program that is no mixture has one kind with all axes. Unused axes are left out."""
    kinds = genes.kinds or [{"share": 1.0, "axes": [axis["name"] for axis in genes.axes]}]
    known = {axis["name"] for axis in genes.axes}
    kinds = [{"share": kind["share"], "axes": [name for name in kind["axes"] if name in known]} for kind in kinds]
    used = {name for kind in kinds for name in kind["axes"]}
    return [axis for axis in genes.axes if axis["name"] in used], genes.levels, [kind for kind in kinds if kind["axes"]]


def shares(kinds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The kinds with shares normalized to 1."""
    total = sum(kind["share"] for kind in kinds)
    return [{"share": tidy(kind["share"] / total), "axes": kind["axes"]} for kind in kinds]


def fresh(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken; it is added to ``taken``."""
    base = name.split(" (", 1)[0][:_LONGEST_NAME] or "axis"
    labels = [base, *(f"{base} ({number})" for number in range(2, 4 * MAX_AXES))]
    free = next(label for label in labels if label not in taken)
    taken.add(free)
    return free


def scaffold(name: str) -> str:
    """Source of the function ``draw`` of a sampling scheme."""
    return (content.root("seeds") / "scaffolds" / f"{name}.py").read_text(encoding="utf-8")


def moved(ends: Sequence[float], dial: Dial, rng: random.Random) -> list[float]:
    """New end points: one or both moved by a factor or, on linear dials, a step; clipped to the dial's range."""
    low, high = ends
    which = rng.choice(("low", "high", "both", "both", "narrow"))
    if which == "narrow":
        middle, keep = (low + high) / 2, rng.uniform(0.2, 0.8)
        return [inside(middle + keep * (low - middle), dial), inside(middle + keep * (high - middle), dial)]
    factor = math.exp(rng.gauss(0.0, rng.choice(_FACTORS)))
    additive = dial.scale == "linear" and rng.random() < 0.5
    step = rng.gauss(0.0, _ADDITIVE * rng.choice(STEPS)) * (dial.high - dial.low) if additive else None
    new = [value * factor if step is None else value + step for value in (low, high)]
    return [inside(new[0] if which != "high" else low, dial), inside(new[1] if which != "low" else high, dial)]


def end_points(dial: Dial, rng: random.Random) -> list[float]:
    """Two random end points in the dial's range; small values are more likely, since most behaviors are rare."""
    if dial.scale == "log":
        span = math.log(dial.high / dial.low)
        return [inside(dial.low * math.exp(span * rng.random()), dial) for _ in range(2)]
    return [inside(dial.low + (dial.high - dial.low) * rng.random() ** 3, dial) for _ in range(2)]


def inside(value: float, dial: Dial) -> float:
    """A value rounded and clipped to the dial's range."""
    return tidy(min(max(value, dial.low), dial.high))


def tidy(value: float) -> float:
    """Round to three significant digits, so that programs stay readable."""
    return float(f"{value:.3g}")

"""What operators do to a program's genes: moving dials, adding, parting and coupling axes; and putting genes back into a source."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.evolve.axes import new_axis, oriented, worded
from personaevo.evolve.genes import Genes, genes_of, whole
from personaevo.programs.edit import with_function, with_literal, with_literals
from personaevo.programs.personas import MAX_AXES
from personaevo.simulate.director import FOLLOW_LENGTH

# Quantiles of an axis's level: shapes that a distribution over people may plainly have.
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


def follow(genes: Genes, dial: str, wanted: str, reach: float, rng: random.Random) -> None:
    """Moves a dial on all axes that hold it as a remark wants it; if none does, on a new axis that begins at what the simulator does
    unasked."""
    holders = [axis["dials"] for axis in genes.axes if dial in axis["dials"]]
    if not holders:
        grow(genes, [dial], rng, [nudged(_beginning(dial, rng), dials()[dial], wanted, reach, rng)])
    for ends in holders:
        ends[dial] = oriented(ends[dial], nudged(ends[dial], dials()[dial], wanted, reach, rng))


def _beginning(dial: str, rng: random.Random) -> list[float]:
    """Where a dial that no axis held begins: at what the simulator does unasked, or, where that follows the length of turns, anywhere."""
    if dial in FOLLOW_LENGTH:
        return [end_points(dials()[dial], rng)[0]] * 2
    return [dials()[dial].default] * 2


def nudged(ends: Sequence[float], dial: Dial, wanted: str, reach: float, rng: random.Random) -> list[float]:
    """End points moved as a remark wants it: by a random factor of up to exp(reach), or around their middle."""
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


def grow(genes: Genes, chosen: Sequence[str], rng: random.Random, ends: Sequence[Sequence[float]] | None = None) -> bool:
    """Adds an axis of these dials, for all kinds of people or one; False if there are too many axes."""
    if len(genes.axes) >= MAX_AXES:
        return False
    axis = new_axis(dict(zip(chosen, ends or [end_points(dials()[dial], rng) for dial in chosen], strict=True)))
    name = axis["name"] = fresh(axis["name"], {one["name"] for one in genes.axes})
    genes.axes.append(axis)
    genes.levels[name] = list(rng.choice(SHAPES)) if ends is None else [0.0, 1.0]
    for kind in genes.kinds if ends is not None or rng.random() < 0.5 else genes.kinds and [rng.choice(genes.kinds)]:
        kind["axes"].append(name)
    return True


def with_genes(source: str, genes: Genes) -> str:
    """The source with genes that have an axis more."""
    kinds = {"KINDS": genes.kinds} if genes.kinds else {}
    return with_literals(source, {"AXES": _told(source, genes.axes), "LEVELS": genes.levels, **kinds})


def with_axes(source: str, axes: Sequence[Mapping[str, Any]]) -> str:
    """The source with these axes; those whose dials changed say what fits them now."""
    return with_literal(source, "AXES", _told(source, axes))


def _told(source: str, axes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    before = genes_of(source)
    known = {axis["name"]: axis["dials"] for axis in before.axes} if before else {}
    return [whole(axis if known.get(axis["name"]) == axis["dials"] else worded(axis)) for axis in axes]


def as_mixture(source: str, genes: Genes) -> str | None:
    """The source as a mixture of the kinds."""
    return with_function(with_literal(with_genes(source, genes), "KINDS", shares(genes.kinds)), "draw", scaffold("mixture"))


def tie(genes: Genes, both: str, strength: float) -> bool:
    """Couples the axes of two dials ("ONE~OTHER") so that the dials go together by ``strength``. Of two that stand on one axis, which ties
    them wholly, the second gets an axis of its own first. False if they are not on one axis each."""
    first, second = both.split("~")
    shared = next((axis for axis in genes.axes if {first, second} <= axis["dials"].keys()), None)
    if shared is not None and not _part(genes, shared, second):
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


def _part(genes: Genes, axis: dict[str, Any], dial: str) -> bool:
    """Gives a dial an axis of its own, with the same end points, levels and people; False if there are too many axes."""
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


def with_couplings(source: str, genes: Genes) -> str | None:
    """The source with these couplings, and a scaffold that heeds them."""
    source = with_literal(source, "COUPLINGS", genes.couplings)
    return with_function(source, "draw", scaffold("mixture" if len(genes.kinds) > 1 else "correlated"))


def population(genes: Genes) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """Axes, levels and kinds of a program; one kind with all axes where it is no mixture. Axes that no kind has are left out."""
    kinds = genes.kinds or [{"share": 1.0, "axes": [axis["name"] for axis in genes.axes]}]
    known = {axis["name"] for axis in genes.axes}
    kinds = [{"share": kind["share"], "axes": [name for name in kind["axes"] if name in known]} for kind in kinds]
    used = {name for kind in kinds for name in kind["axes"]}
    return [axis for axis in genes.axes if axis["name"] in used], genes.levels, [kind for kind in kinds if kind["axes"]]


def shares(kinds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The kinds with shares that add up to 1."""
    total = sum(kind["share"] for kind in kinds)
    return [{"share": tidy(kind["share"] / total), "axes": kind["axes"]} for kind in kinds]


def fresh(name: str, taken: set[str]) -> str:
    """The name, with a number if it is already taken; it is added to ``taken``."""
    fresh = next(label for label in _labels(name) if label not in taken)
    taken.add(fresh)
    return fresh


def _labels(base: str) -> Sequence[str]:
    base = base.split(" (", 1)[0][:_LONGEST_NAME] or "axis"
    return [base, *(f"{base} ({number})" for number in range(2, 4 * MAX_AXES))]


def scaffold(name: str) -> str:
    return (content.root("seeds") / "scaffolds" / f"{name}.py").read_text(encoding="utf-8")


def moved(ends: Sequence[float], dial: Dial, rng: random.Random) -> list[float]:
    """New end points: one or both moved, by a factor or (linear dials) a step; kept inside the dial's range."""
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
    """Two end points drawn from the dial's range, small values being likelier (most behaviors are rare)."""
    if dial.scale == "log":
        span = math.log(dial.high / dial.low)
        return [inside(dial.low * math.exp(span * rng.random()), dial) for _ in range(2)]
    return [inside(dial.low + (dial.high - dial.low) * rng.random() ** 3, dial) for _ in range(2)]


def inside(value: float, dial: Dial) -> float:
    return tidy(min(max(value, dial.low), dial.high))


def tidy(value: float) -> float:
    """Three significant digits, so that programs stay readable."""
    return float(f"{value:.3g}")

"""The genotype of a persona program (its literals, validated for the operators), and the texts of its axes (``seeds/axes.toml``)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials, typing_dials
from personaevo.errors import ContentError
from personaevo.programs.edit import literals, stored, with_function, with_literal, with_literals
from personaevo.programs.personas import MAX_AXES
from personaevo.simulate.director import FOLLOW_LENGTH

TYPING = "typing"  # key of an axis for its typing dials, which operators leave unchanged


@dataclass
class Genotype:
    """The literals that operators change: a program's AXES (as dicts with ``name`` and ``dials``), LEVELS, COUPLINGS and KINDS."""

    axes: list[dict[str, Any]]
    levels: dict[str, list[float]] = field(default_factory=dict)
    couplings: list[list[Any]] = field(default_factory=list)
    kinds: list[dict[str, Any]] = field(default_factory=list)


def genotype_of(source: str) -> Genotype | None:
    """The genotype of a program; None if it cannot be edited: literals computed by code, assigned twice or malformed, dials unknown or out
    of range, or no axis."""
    found = literals(source)
    parts = {name.lower(): found[name] for name in _FORMS if name in found}
    others = _FORMS.keys() - found.keys()
    if "axes" not in parts or (others and not others.isdisjoint(stored(source))):
        return None
    if not all(_FORMS[name](found[name]) for name in _FORMS if name in found):
        return None
    genes = Genotype(**parts)
    genes.axes = [_searched(axis) for axis in genes.axes]
    return genes


def _searched(axis: Mapping[str, Any]) -> dict[str, Any]:
    """The axis with its typing dials, which are not searched, separated from the others."""
    ends = {name: list(pair) for name, pair in axis.get("dials", {}).items()}
    typing = {name: ends.pop(name) for name in typing_dials() if name in ends}
    return {**axis, "dials": ends, **({TYPING: typing} if typing else {})}


def whole(axis: Mapping[str, Any]) -> dict[str, Any]:
    """The axis as in a program, with all its dials."""
    if TYPING not in axis:
        return dict(axis)
    return {name: {**value, **axis[TYPING]} if name == "dials" else value for name, value in axis.items() if name != TYPING}


def _are_axes(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_AXES or not all(map(_is_axis, value)):
        return False
    return len({axis["name"] for axis in value}) == len(value)


def _is_axis(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not isinstance(value.get("dials", {}), dict):
        return False
    known = {**dials(), **typing_dials()}
    return all(
        name in known and _are_numbers(ends, known[name].low, known[name].high) and len(ends) == 2
        for name, ends in value.get("dials", {}).items()
    )


def _are_levels(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and _are_numbers(knots, 0.0, 1.0) and len(knots) > 1 for name, knots in value.items()
    )


def _are_couplings(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 3 and _are_names(pair[:2]) and _are_numbers(pair[2:], -1.0, 1.0)
        for pair in value
    )  # fmt: skip


def _are_kinds(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(kind, dict) and _are_names(kind.get("axes")) and _are_numbers([kind.get("share")], 1e-9, 1e9)
        for kind in value
    )  # fmt: skip


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_numbers(value: object, low: float, high: float) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high for number in value
    )


_FORMS: Mapping[str, Callable[[object], bool]] = {
    "AXES": _are_axes,
    "LEVELS": _are_levels,
    "COUPLINGS": _are_couplings,
    "KINDS": _are_kinds,
}


_LIKE_OTHERS = "In {about}, be like most people."  # a playbook text must not be empty
_NEAR = 0.1  # distance from the default that is not mentioned: share of the dial's range, or of its value on a log scale


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of one dial: its subject, and for low and high values a phrase that completes "someone who is …" and a playbook sentence."""

    about: str
    less: tuple[str, str]
    more: tuple[str, str]


@cache
def words() -> Mapping[str, Words]:
    """The texts of every dial.

    Raises:
        ContentError: ``seeds/axes.toml`` lacks a dial or has a malformed row.
    """
    table = content.toml("seeds", "axes.toml")
    found = {}
    for name in dials():
        try:
            row = table[name]
            (less, less_sentence), (more, more_sentence) = row["less"], row["more"]
            found[name] = Words(str(row["about"]), (str(less), str(less_sentence)), (str(more), str(more_sentence)))
        except (KeyError, TypeError, ValueError):
            raise ContentError(f"seeds/axes.toml: expected about, less and more of the dial '{name}'") from None
    return found


def new_axis(ends: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """An axis with these end points. Its name describes level 1 relative to level 0, or relative to the default if both are equal."""
    rises = {dial: last > first or (last == first >= dials()[dial].default) for dial, (first, last) in ends.items()}
    name = " and ".join((words()[dial].more if more else words()[dial].less)[0] for dial, more in rises.items())
    about = "; ".join(words()[dial].about for dial in ends)
    return worded({"name": name, "definition": about, "low": "", "high": "", "dials": {dial: list(pair) for dial, pair in ends.items()}})


def worded(axis: Mapping[str, Any]) -> dict[str, Any]:
    """The axis with texts for both ends that match its dials, if it has any; name and definition are unchanged."""
    if not axis["dials"]:
        return dict(axis)
    said = ([_end(dials()[dial], pair[at]) for dial, pair in axis["dials"].items()] for at in (0, 1))
    low, high = ([one for one in end if one is not None] for end in said)
    about = words()[next(iter(axis["dials"]))].about
    told = [" ".join(sentence for _, sentence in end) or _LIKE_OTHERS.format(about=about) for end in (low, high)]
    return {**axis, "low": told[0], "high": told[1], "who": [end[0][0] if end else "" for end in (low, high)]}


def _end(dial: Dial, value: float) -> tuple[str, str] | None:
    """Phrase and sentence for a dial's value; None near the default."""
    off = value / dial.default - 1 if dial.scale == "log" else (value - dial.default) / (dial.high - dial.low)
    if abs(off) < _NEAR:
        return None
    return words()[dial.name].more if off > 0 else words()[dial.name].less


def oriented(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """New end points in the order of the old ones, so that the name of the axis still fits."""
    flipped = (before[1] - before[0]) * (after[1] - after[0]) < 0
    return [after[1], after[0]] if flipped else list(after)


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

"""Operators on the syntax tree: each takes a parent (and a mate) and gives the source of a child, or None where it does not apply.

They work on what a persona program says as literals (AXES, LEVELS, COUPLINGS, KINDS: see ``genes``) and on its function ``draw``, and
leave every other line alone. Their numbers come from the dials' plausible ranges, never from a reference.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.errors import ConfigError
from personaevo.evolve.axes import new_axis, oriented, worded
from personaevo.evolve.genes import Genes, genes_of
from personaevo.programs.edit import with_function, with_literal
from personaevo.programs.personas import MAX_AXES
from personaevo.records import Remark
from personaevo.simulate.users import FOLLOW_LENGTH

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
_BLEND = 0.5  # chance that a cross goes half way between its parents
_HEEDED = (0.9, 0.8, 0.6, 0.3)  # share of the remarks that a child acts on: many at once, or a few
_LEAST_GRAVE = 0.25
_LONGEST_NAME = 70  # of an axis, before it is numbered; 80 are allowed
_REACH = 1.2  # log of the largest factor by which a remark moves a dial
_STEPS = (1.0, 0.6, 0.3, 0.15)  # of the reach: far steps find the region, near ones the place in it
_STRETCHES = {"wider": True, "apart": True, "narrower": False, "alike": False}
_MOODS = {"steadier": -1, "looser": 1}
_TIES = {"together": 1.0, "opposed": -1.0}


@dataclass(frozen=True)
class Parents:
    """What a child is bred from: the parent's source, for crossing a mate's, and the judge's remarks on the parent."""

    source: str
    mate: str | None = None
    remarks: Sequence[Remark] = ()


Operator = Callable[[Parents, random.Random], str | None]


def change_number(parents: Parents, rng: random.Random) -> str | None:
    """Moves end points of dials: some of one axis, or any few, by a factor, by a step, or closer together."""
    genes = genes_of(parents.source)
    held = [axis for axis in genes.axes if axis["dials"]] if genes else []
    if genes is None or not held:
        return None
    among = held if rng.random() < 0.5 else [rng.choice(held)]
    places = [(axis["dials"], name) for axis in among for name in axis["dials"]]
    for ends, name in rng.sample(places, min(len(places), rng.choice((1, 2, 3, 4)))):
        ends[name] = oriented(ends[name], _moved(ends[name], dials()[name], rng))
    return _with_axes(parents.source, genes.axes)


def follow_remarks(parents: Parents, rng: random.Random) -> str | None:
    """Acts on some of the judge's remarks on the parent, by factors of its own: moves dials, sets personas apart or brings them together,
    steadies or loosens each, ties what goes together; adds an axis for a dial that none has."""
    genes = genes_of(parents.source)
    if not parents.remarks or genes is None:
        return None
    chosen = _heeded(parents.remarks, rng)
    before, tied, reach = len(genes.axes), False, _REACH * rng.choice(_STEPS)
    for remark, grave in chosen:
        if remark.wanted in _TIES:
            tied |= _tie(genes, remark.feature, _TIES[remark.wanted] * rng.uniform(0.2, 0.9))
        elif remark.wanted not in _MOODS:
            _follow(genes, remark.feature, remark.wanted, reach * grave, rng)
    moods = [_MOODS[remark.wanted] for remark, _ in chosen if remark.wanted in _MOODS]
    if sum(moods):
        _follow(genes, "mood_swing", "more" if sum(moods) > 0 else "less", reach, rng)
    source = _grown(parents.source, genes) if len(genes.axes) > before else _with_axes(parents.source, genes.axes)
    return _with_couplings(source, genes) if tied else source


def _heeded(remarks: Sequence[Remark], rng: random.Random) -> list[tuple[Remark, float]]:
    """Some of the remarks, most of the worst and few of the last, each with how grave it is: 1 for the first, ``_LEAST_GRAVE`` at last."""
    share = rng.choice(_HEEDED)
    graves = [1.0 - (1.0 - _LEAST_GRAVE) * place / len(remarks) for place in range(len(remarks))]
    found = [(remark, grave) for remark, grave in zip(remarks, graves, strict=True) if rng.random() < share * grave]
    return found or [(remarks[0], 1.0)]


def _follow(genes: Genes, dial: str, wanted: str, reach: float, rng: random.Random) -> None:
    """Moves a dial on all axes that hold it as a remark wants it; if none does, on a new axis that begins at what the simulator does
    unasked."""
    holders = [axis["dials"] for axis in genes.axes if dial in axis["dials"]]
    if not holders:
        _grow(genes, [dial], rng, [_nudged(_beginning(dial, rng), dials()[dial], wanted, reach, rng)])
    for ends in holders:
        ends[dial] = oriented(ends[dial], _nudged(ends[dial], dials()[dial], wanted, reach, rng))


def _beginning(dial: str, rng: random.Random) -> list[float]:
    """Where a dial that no axis held begins: at what the simulator does unasked, or, where that follows the length of turns, anywhere."""
    if dial in FOLLOW_LENGTH:
        return [_end_points(dials()[dial], rng)[0]] * 2
    return [dials()[dial].default] * 2


def _nudged(ends: Sequence[float], dial: Dial, wanted: str, reach: float, rng: random.Random) -> list[float]:
    """End points moved as a remark wants it: by a random factor of up to exp(reach), or around their middle."""
    factor = math.exp(reach * rng.uniform(0.1, 1.0))
    if wanted in _STRETCHES:
        middle = sum(ends) / 2
        apart = _STRETCHES[wanted]
        least = 0.02 * reach * (dial.high - dial.low) if apart and ends[0] == ends[1] else 0.0  # equal ends cannot be stretched
        stretch = factor if apart else 1 / factor
        return [_inside(middle + sign * least + (end - middle) * stretch, dial) for sign, end in zip((-1, 1), ends, strict=True)]
    if wanted == "less":
        return [_inside(end / factor, dial) for end in ends]
    floor = 0.02 * reach * (dial.high - dial.low) * rng.random()  # zero times anything stays zero
    return [_inside(max(end, floor) * factor, dial) for end in ends]


def spread_personas(parents: Parents, rng: random.Random) -> str | None:
    """Sets personas farther apart, or brings them closer, in some dials or in all."""
    genes = genes_of(parents.source)
    places = [(axis["dials"], name) for axis in genes.axes for name in axis["dials"]] if genes else []
    if genes is None or not places:
        return None
    wanted, reach = rng.choice(("apart", "alike")), _REACH * rng.choice(_STEPS)
    for ends, name in places if rng.random() < 0.4 else rng.sample(places, min(len(places), rng.choice((1, 2, 4)))):
        ends[name] = oriented(ends[name], _nudged(ends[name], dials()[name], wanted, reach, rng))
    return _with_axes(parents.source, genes.axes)


def change_mood(parents: Parents, rng: random.Random) -> str | None:
    """Changes how much one persona differs from one dialogue to the next, or how long a manner lasts within one."""
    genes = genes_of(parents.source)
    if genes is None:
        return None
    before = len(genes.axes)
    _follow(genes, rng.choice(("mood_swing", "mood_swing", "persistence")), rng.choice(("more", "less")), _REACH * rng.choice(_STEPS), rng)
    return _grown(parents.source, genes) if len(genes.axes) > before else _with_axes(parents.source, genes.axes)


def change_kinds(parents: Parents, rng: random.Random) -> str | None:
    """Changes the kinds of people there are: their shares, or a new kind that differs from one in one axis."""
    genes = genes_of(parents.source)
    if genes is None:
        return None
    axes, levels, kinds = _population(genes)
    if len(kinds) > 1 and rng.random() < 0.5:
        for kind in kinds:
            kind["share"] = kind["share"] * math.exp(rng.gauss(0.0, 0.5))
        return with_literal(parents.source, "KINDS", _shares(kinds))
    kind = rng.choice(kinds)
    held = [axis for axis in axes if axis["name"] in kind["axes"] and axis["dials"]]
    if not held or len(axes) >= MAX_AXES:
        return None
    old = rng.choice(held)
    name = _fresh(old["name"], {axis["name"] for axis in axes})
    moved = {dial: oriented(ends, _moved(ends, dials()[dial], rng)) for dial, ends in old["dials"].items()}
    axes.append(worded({**old, "name": name, "dials": moved}))
    levels[name] = list(levels.get(old["name"], [0.0, 1.0]))
    part = rng.uniform(0.2, 0.5)
    kinds.append({"share": kind["share"] * part, "axes": [name if one == old["name"] else one for one in kind["axes"]]})
    kind["share"] *= 1 - part
    return _mixed(parents.source, Genes(axes, levels, genes.couplings, kinds))


def change_distribution(parents: Parents, rng: random.Random) -> str | None:
    """Gives one or two axes another distribution of levels, or bends the one they have."""
    genes = genes_of(parents.source)
    if genes is None or not genes.levels:
        return None
    axes, levels = genes.axes, genes.levels
    for axis in rng.sample(axes, min(len(axes), rng.choice((1, 1, 2)))):
        knots = levels.get(axis["name"], [0.0, 1.0])
        bent = sorted(_tidy(min(max(knot + rng.gauss(0.0, 0.15), 0.0), 1.0)) for knot in knots)
        levels[axis["name"]] = list(rng.choice(SHAPES)) if rng.random() < 0.6 else bent
    return with_literal(parents.source, "LEVELS", levels)


def add_axis(parents: Parents, rng: random.Random) -> str | None:
    """Adds an axis of one or two dials, preferring dials that no axis sets yet."""
    genes = genes_of(parents.source)
    held = {name for axis in genes.axes for name in axis["dials"]} if genes else set()
    free = [name for name in dials() if name not in held] or list(dials())
    chosen = rng.sample(free, min(len(free), rng.choice((1, 2))))
    return _grown(parents.source, genes) if genes and _grow(genes, chosen, rng) else None


def _grow(genes: Genes, chosen: Sequence[str], rng: random.Random, ends: Sequence[Sequence[float]] | None = None) -> bool:
    """Adds an axis of these dials, for all kinds of people or one; False if there are too many axes."""
    if len(genes.axes) >= MAX_AXES:
        return False
    axis = new_axis(dict(zip(chosen, ends or [_end_points(dials()[dial], rng) for dial in chosen], strict=True)))
    name = axis["name"] = _fresh(axis["name"], {one["name"] for one in genes.axes})
    genes.axes.append(axis)
    genes.levels[name] = list(rng.choice(SHAPES)) if ends is None else [0.0, 1.0]
    for kind in genes.kinds if ends is not None or rng.random() < 0.5 else genes.kinds and [rng.choice(genes.kinds)]:
        kind["axes"].append(name)
    return True


def _with_axes(source: str, axes: Sequence[Mapping[str, Any]]) -> str:
    """The source with these axes; those whose dials changed say what fits them now."""
    before = genes_of(source)
    known = {axis["name"]: axis["dials"] for axis in before.axes} if before else {}
    return with_literal(source, "AXES", [dict(axis) if known.get(axis["name"]) == axis["dials"] else worded(axis) for axis in axes])


def _grown(source: str, genes: Genes) -> str:
    """The source with genes that have an axis more."""
    source = with_literal(_with_axes(source, genes.axes), "LEVELS", genes.levels)
    return with_literal(source, "KINDS", genes.kinds) if genes.kinds else source


def _mixed(source: str, genes: Genes) -> str | None:
    """The source as a mixture of the kinds."""
    return with_function(with_literal(_grown(source, genes), "KINDS", _shares(genes.kinds)), "draw", _scaffold("mixture"))


def _tie(genes: Genes, both: str, strength: float) -> bool:
    """Couples the axes of two dials ("ONE~OTHER") so that the dials go together by ``strength``. Of two that stand on one axis, which ties
    them wholly, the second gets an axis of its own first. False if they are not on one axis each."""
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
    genes.couplings = [pair for pair in genes.couplings if set(pair[:2]) != set(names)] + [[*names, _tidy(strength)]]
    return True


def _split(genes: Genes, axis: dict[str, Any], dial: str) -> bool:
    """Gives a dial an axis of its own, with the same end points, levels and people; False if there are too many axes."""
    if len(genes.axes) >= MAX_AXES:
        return False
    alone = new_axis({dial: axis["dials"].pop(dial)})
    name = alone["name"] = _fresh(alone["name"], {one["name"] for one in genes.axes})
    genes.axes.append(alone)
    genes.levels[name] = list(genes.levels.get(axis["name"], [0.0, 1.0]))
    for kind in genes.kinds:
        if axis["name"] in kind["axes"]:
            kind["axes"].append(name)
    return True


def _with_couplings(source: str, genes: Genes) -> str | None:
    """The source with these couplings, and a scaffold that heeds them."""
    source = with_literal(source, "COUPLINGS", genes.couplings)
    return with_function(source, "draw", _scaffold("mixture" if len(genes.kinds) > 1 else "correlated"))


def drop_axis(parents: Parents, rng: random.Random) -> str | None:
    """Drops one axis; its dials fall back to what the simulator does unasked."""
    genes = genes_of(parents.source)
    if genes is None or len(genes.axes) < 2:
        return None
    axes, kinds = genes.axes, genes.kinds
    dropped = axes.pop(rng.randrange(len(axes)))["name"]
    source = with_literal(parents.source, "AXES", axes)
    for kind in kinds:
        kind["axes"] = [name for name in kind["axes"] if name != dropped]
    return with_literal(source, "KINDS", kinds) if kinds else source


def rewrite_axis(parents: Parents, rng: random.Random) -> str | None:
    """Draws new end points for one axis."""
    genes = genes_of(parents.source)
    if genes is None:
        return None
    axis = rng.choice(genes.axes)
    axis["dials"] = {name: oriented(ends, _end_points(dials()[name], rng)) for name, ends in axis["dials"].items()}
    return _with_axes(parents.source, genes.axes)


def couple(parents: Parents, rng: random.Random) -> str | None:
    """Ties two dials: both on one axis, or their two axes in the correlated scaffold."""
    genes = genes_of(parents.source)
    if genes is None or len(genes.axes) < 2:
        return None
    first, second = rng.sample(genes.axes, 2)
    if rng.random() < 0.5 and len(second["dials"]) > 1:
        name = rng.choice(list(second["dials"]))
        first["dials"][name] = second["dials"].pop(name)
        return _with_axes(parents.source, genes.axes)
    genes.couplings = [pair for pair in genes.couplings if set(pair[:2]) != {first["name"], second["name"]}]
    genes.couplings.append([first["name"], second["name"], _tidy(rng.uniform(-0.9, 0.9))])
    return _with_couplings(parents.source, genes)


def switch_scaffold(parents: Parents, rng: random.Random) -> str | None:
    """Samples another way: independent, correlated, quasi-random or as a mixture. A mixture of several kinds stays one: sampled
    otherwise, its people would have the axes of all kinds at once."""
    genes = genes_of(parents.source)
    if genes is None or len(genes.kinds) > 1:
        return None
    name = rng.choice(("independent", "quasi_random", "correlated", "mixture"))
    return with_function(parents.source, "draw", _scaffold(name))


def cross(parents: Parents, rng: random.Random) -> str | None:
    """Crosses two programs axis by axis: as the parent has it, as the mate has it, or half way between (blend crossover; averaging
    good programs also averages out what was luck in their scores). An axis of the mate's alone comes along if its dials are new."""
    genes, mate = genes_of(parents.source), genes_of(parents.mate or "")
    if genes is None or mate is None:
        return None
    own, levels, kinds = {axis["name"]: axis for axis in genes.axes}, genes.levels, genes.kinds
    held = {dial for axis in genes.axes for dial in axis["dials"]}
    blend = rng.random() < _BLEND
    for axis in mate.axes:
        name = axis["name"]
        if name in own and blend:
            own[name] = {**own[name], "dials": _between(own[name]["dials"], axis["dials"])}
        elif rng.random() < 0.5 or (name not in own and (not held.isdisjoint(axis["dials"]) or len(own) >= MAX_AXES)):
            continue
        else:
            for kind in kinds if name not in own else ():
                kind["axes"].append(name)
            own[name] = axis
        if rng.random() < 0.5:
            levels[name] = mate.levels.get(name, [0.0, 1.0])
    return _grown(parents.source, Genes(list(own.values()), levels, genes.couplings, kinds))


def _between(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """End points half way between two axes' dials, on each dial's scale; dials of one alone as they are."""
    both = {}
    for name, ends in {**theirs, **ours}.items():
        other = theirs.get(name, ends)
        log = dials()[name].scale == "log"
        both[name] = oriented(ends, [_tidy(math.sqrt(a * b) if log else (a + b) / 2) for a, b in zip(ends, other, strict=True)])
    return both


def join(parents: Parents, rng: random.Random) -> str | None:
    """Joins two programs: the child's population is a mixture of both, each kind of people with its own axes.

    Coverage is concave in the population, so a mixture covers at least as much as its parts do on average.
    """
    genes, mate = genes_of(parents.source), genes_of(parents.mate or "")
    if genes is None or mate is None:
        return None
    axes, levels, kinds = _population(genes)
    more_axes, more_levels, more_kinds = _population(mate)
    if not kinds or not more_kinds:
        return None
    share = rng.choice((0.3, 0.5))
    taken = {axis["name"] for axis in axes}
    for kind in more_kinds:
        names = {name: _fresh(name, taken) for name in kind["axes"]}
        if len(axes) + len(names) > MAX_AXES:
            break
        axes += [{**axis, "name": names[axis["name"]]} for axis in more_axes if axis["name"] in names]
        levels |= {new: more_levels.get(old, [0.0, 1.0]) for old, new in names.items()}
        kinds.append({"share": _tidy(kind["share"] * share / (1 - share)), "axes": list(names.values())})
    return _mixed(parents.source, Genes(axes, levels, genes.couplings, kinds))


def reformat(parents: Parents, rng: random.Random) -> str | None:
    """Changes a comment and nothing else: a control that must never gain (not in the default mix)."""
    return f"{parents.source.rstrip()}\n# {rng.getrandbits(32):08x}\n"


OPERATORS: Mapping[str, Operator] = {
    "follow_remarks": follow_remarks,
    "change_number": change_number,
    "spread_personas": spread_personas,
    "change_mood": change_mood,
    "change_kinds": change_kinds,
    "change_distribution": change_distribution,
    "add_axis": add_axis,
    "drop_axis": drop_axis,
    "rewrite_axis": rewrite_axis,
    "couple": couple,
    "switch_scaffold": switch_scaffold,
    "cross": cross,
    "join": join,
    "reformat": reformat,
}


def check_weights(weights: Mapping[str, float]) -> None:
    """Raises ConfigError unless all weights are finite and not negative, of known operators, and one is positive."""
    unknown = [name for name in weights if name not in OPERATORS]
    if unknown:
        raise ConfigError(f"setting 'operators': unknown operator {unknown[0]!r:.80}; operators are: {', '.join(OPERATORS)}")
    if not weights or not all(0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
        raise ConfigError(f"setting 'operators': weights must be finite, not negative and not all 0, got {dict(weights)!r:.400}")


def breed(parents: Parents, weights: Mapping[str, float], rng: random.Random) -> tuple[str, str]:
    """One child: one operator or two in a row, drawn by weight. Returns its source and the operators' names joined by "+"."""
    source, applied = parents.source, []
    for _ in range(rng.choice((1, 1, 1, 2))):
        name = rng.choices(list(weights), list(weights.values()))[0]
        child = OPERATORS[name](Parents(source, parents.mate, parents.remarks), rng)
        if child is not None:
            source = child
            applied.append(name)
    return source, "+".join(applied)


def _population(genes: Genes) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    """Axes, levels and kinds of a program; one kind with all axes where it is no mixture. Axes that no kind has are left out."""
    kinds = genes.kinds or [{"share": 1.0, "axes": [axis["name"] for axis in genes.axes]}]
    known = {axis["name"] for axis in genes.axes}
    kinds = [{"share": kind["share"], "axes": [name for name in kind["axes"] if name in known]} for kind in kinds]
    used = {name for kind in kinds for name in kind["axes"]}
    return [axis for axis in genes.axes if axis["name"] in used], genes.levels, [kind for kind in kinds if kind["axes"]]


def _shares(kinds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The kinds with shares that add up to 1."""
    total = sum(kind["share"] for kind in kinds)
    return [{"share": _tidy(kind["share"] / total), "axes": kind["axes"]} for kind in kinds]


def _fresh(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken; taken from now on."""
    fresh = next(label for label in _labels(name) if label not in taken)
    taken.add(fresh)
    return fresh


def _scaffold(name: str) -> str:
    return (content.root("seeds") / "scaffolds" / f"{name}.py").read_text(encoding="utf-8")


def _labels(base: str) -> Sequence[str]:
    base = base.split(" (", 1)[0][:_LONGEST_NAME] or "axis"
    return [base, *(f"{base} ({number})" for number in range(2, 4 * MAX_AXES))]


def _moved(ends: Sequence[float], dial: Dial, rng: random.Random) -> list[float]:
    """New end points: one or both moved, by a factor or (linear dials) a step; kept inside the dial's range."""
    low, high = ends
    which = rng.choice(("low", "high", "both", "both", "narrow"))
    if which == "narrow":
        middle, keep = (low + high) / 2, rng.uniform(0.2, 0.8)
        return [_inside(middle + keep * (low - middle), dial), _inside(middle + keep * (high - middle), dial)]
    factor = math.exp(rng.gauss(0.0, rng.choice(_FACTORS)))
    additive = dial.scale == "linear" and rng.random() < 0.5
    step = rng.gauss(0.0, _ADDITIVE * rng.choice(_STEPS)) * (dial.high - dial.low) if additive else None
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

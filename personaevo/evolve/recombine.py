"""Variation operators on the syntax tree: each takes a parent (and a mate) and returns the source of a child, or None if it does not apply.

They change the literals of a persona program (AXES, LEVELS, COUPLINGS, KINDS: see ``genes``) and its function ``draw``, and no other line.
Their numbers come from the plausible ranges of dials, never from reference data.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from personaevo.definitions import dials
from personaevo.errors import ConfigError
from personaevo.evolve import genotype
from personaevo.evolve.genotype import Genotype, genotype_of, oriented, whole, worded
from personaevo.programs.edit import with_function, with_literal
from personaevo.programs.personas import MAX_AXES
from personaevo.records import Remark

_BLEND = 0.5  # probability of a blend crossover
_HEEDED = (0.9, 0.8, 0.6, 0.3)  # shares of the remarks that a child follows
_LEAST_GRAVE = 0.25  # weight of the last remark; the first has 1
_REACH = 1.2  # log of the largest factor by which a remark moves a dial
_MOODS = {"steadier": -1, "looser": 1}
_TIES = {"together": 1.0, "opposed": -1.0}


@dataclass(frozen=True)
class Parents:
    """Input of an operator: the parent's source, the mate's for crossovers, and the judge's remarks on the parent."""

    source: str
    mate: str | None = None
    remarks: Sequence[Remark] = ()


Operator = Callable[[Parents, random.Random], str | None]


def change_number(parents: Parents, rng: random.Random) -> str | None:
    """Move end points of up to four dials of one axis or of all, by a factor, by a step, or closer together."""
    genes = genotype_of(parents.source)
    held = [axis for axis in genes.axes if axis["dials"]] if genes else []
    if genes is None or not held:
        return None
    among = held if rng.random() < 0.5 else [rng.choice(held)]
    places = [(axis["dials"], name) for axis in among for name in axis["dials"]]
    for ends, name in rng.sample(places, min(len(places), rng.choice((1, 2, 3, 4)))):
        ends[name] = oriented(ends[name], genotype.moved(ends[name], dials()[name], rng))
    return genotype.with_axes(parents.source, genes.axes)


def follow_remarks(parents: Parents, rng: random.Random) -> str | None:
    """Follow some of the judge's remarks on the parent by random amounts: move dials, change the spread between and within personas, and
    couple axes. Adds an axis for a dial that no axis has."""
    genes = genotype_of(parents.source)
    if not parents.remarks or genes is None:
        return None
    chosen = _heeded(parents.remarks, rng)
    before, tied, reach = len(genes.axes), False, _REACH * rng.choice(genotype.STEPS)
    for remark, grave in chosen:
        if remark.wanted in _TIES:
            tied |= genotype.tie(genes, remark.feature, _TIES[remark.wanted] * rng.uniform(0.2, 0.9))
        elif remark.wanted not in _MOODS:
            genotype.follow(genes, remark.feature, remark.wanted, reach * grave, rng)
    moods = [_MOODS[remark.wanted] for remark, _ in chosen if remark.wanted in _MOODS]
    if sum(moods):
        genotype.follow(genes, "mood_swing", "more" if sum(moods) > 0 else "less", reach, rng)
    source = genotype.with_genes(parents.source, genes) if len(genes.axes) > before else genotype.with_axes(parents.source, genes.axes)
    return genotype.with_couplings(source, genes) if tied else source


def _heeded(remarks: Sequence[Remark], rng: random.Random) -> list[tuple[Remark, float]]:
    """A random subset of the remarks with their weights, from 1 for the first to ``_LEAST_GRAVE`` for the last; remarks with more weight
    are more likely."""
    share = rng.choice(_HEEDED)
    graves = [1.0 - (1.0 - _LEAST_GRAVE) * place / len(remarks) for place in range(len(remarks))]
    found = [(remark, grave) for remark, grave in zip(remarks, graves, strict=True) if rng.random() < share * grave]
    return found or [(remarks[0], 1.0)]


def spread_personas(parents: Parents, rng: random.Random) -> str | None:
    """Increase or decrease the spread between personas in some dials or in all."""
    genes = genotype_of(parents.source)
    places = [(axis["dials"], name) for axis in genes.axes for name in axis["dials"]] if genes else []
    if genes is None or not places:
        return None
    wanted, reach = rng.choice(("apart", "alike")), _REACH * rng.choice(genotype.STEPS)
    for ends, name in places if rng.random() < 0.4 else rng.sample(places, min(len(places), rng.choice((1, 2, 4)))):
        ends[name] = oriented(ends[name], genotype.nudged(ends[name], dials()[name], wanted, reach, rng))
    return genotype.with_axes(parents.source, genes.axes)


def change_mood(parents: Parents, rng: random.Random) -> str | None:
    """Change the variation of one persona between dialogues, or the persistence of a behavior within one."""
    genes = genotype_of(parents.source)
    if genes is None:
        return None
    before = len(genes.axes)
    dial, wanted = rng.choice(("mood_swing", "mood_swing", "persistence")), rng.choice(("more", "less"))
    genotype.follow(genes, dial, wanted, _REACH * rng.choice(genotype.STEPS), rng)
    return genotype.with_genes(parents.source, genes) if len(genes.axes) > before else genotype.with_axes(parents.source, genes.axes)


def change_kinds(parents: Parents, rng: random.Random) -> str | None:
    """Change the shares of the kinds of people, or add a kind that differs from another in one axis."""
    genes = genotype_of(parents.source)
    if genes is None:
        return None
    axes, levels, kinds = genotype.population(genes)
    if len(kinds) > 1 and rng.random() < 0.5:
        for kind in kinds:
            kind["share"] = kind["share"] * math.exp(rng.gauss(0.0, 0.5))
        return with_literal(parents.source, "KINDS", genotype.shares(kinds))
    kind = rng.choice(kinds)
    held = [axis for axis in axes if axis["name"] in kind["axes"] and axis["dials"]]
    if not held or len(axes) >= MAX_AXES:
        return None
    old = rng.choice(held)
    name = genotype.fresh(old["name"], {axis["name"] for axis in axes})
    moved = {dial: oriented(ends, genotype.moved(ends, dials()[dial], rng)) for dial, ends in old["dials"].items()}
    axes.append(worded({**old, "name": name, "dials": moved}))
    levels[name] = list(levels.get(old["name"], [0.0, 1.0]))
    part = rng.uniform(0.2, 0.5)
    kinds.append({"share": kind["share"] * part, "axes": [name if one == old["name"] else one for one in kind["axes"]]})
    kind["share"] *= 1 - part
    return genotype.as_mixture(parents.source, Genotype(axes, levels, genes.couplings, kinds))


def change_distribution(parents: Parents, rng: random.Random) -> str | None:
    """Replace or perturb the distribution of levels of one or two axes."""
    genes = genotype_of(parents.source)
    if genes is None or not genes.levels:
        return None
    axes, levels = genes.axes, genes.levels
    for axis in rng.sample(axes, min(len(axes), rng.choice((1, 1, 2)))):
        knots = levels.get(axis["name"], [0.0, 1.0])
        bent = sorted(genotype.tidy(min(max(knot + rng.gauss(0.0, 0.15), 0.0), 1.0)) for knot in knots)
        levels[axis["name"]] = list(rng.choice(genotype.SHAPES)) if rng.random() < 0.6 else bent
    return with_literal(parents.source, "LEVELS", levels)


def add_axis(parents: Parents, rng: random.Random) -> str | None:
    """Add an axis of one or two dials, preferably dials that no axis sets yet."""
    genes = genotype_of(parents.source)
    held = {name for axis in genes.axes for name in axis["dials"]} if genes else set()
    free = [name for name in dials() if name not in held] or list(dials())
    chosen = rng.sample(free, min(len(free), rng.choice((1, 2))))
    return genotype.with_genes(parents.source, genes) if genes and genotype.grow(genes, chosen, rng) else None


def drop_axis(parents: Parents, rng: random.Random) -> str | None:
    """Drop one axis; its dials return to the simulator's defaults."""
    genes = genotype_of(parents.source)
    if genes is None or len(genes.axes) < 2:
        return None
    axes, kinds = genes.axes, genes.kinds
    dropped = axes.pop(rng.randrange(len(axes)))["name"]
    source = with_literal(parents.source, "AXES", [whole(axis) for axis in axes])
    for kind in kinds:
        kind["axes"] = [name for name in kind["axes"] if name != dropped]
    return with_literal(source, "KINDS", kinds) if kinds else source


def rewrite_axis(parents: Parents, rng: random.Random) -> str | None:
    """Draw new end points for one axis."""
    genes = genotype_of(parents.source)
    if genes is None:
        return None
    axis = rng.choice(genes.axes)
    axis["dials"] = {name: oriented(ends, genotype.end_points(dials()[name], rng)) for name, ends in axis["dials"].items()}
    return genotype.with_axes(parents.source, genes.axes)


def couple(parents: Parents, rng: random.Random) -> str | None:
    """Couple two dials: move both to one axis, or correlate their two axes."""
    genes = genotype_of(parents.source)
    if genes is None or len(genes.axes) < 2:
        return None
    first, second = rng.sample(genes.axes, 2)
    if rng.random() < 0.5 and len(second["dials"]) > 1:
        name = rng.choice(list(second["dials"]))
        first["dials"][name] = second["dials"].pop(name)
        return genotype.with_axes(parents.source, genes.axes)
    genes.couplings = [pair for pair in genes.couplings if set(pair[:2]) != {first["name"], second["name"]}]
    genes.couplings.append([first["name"], second["name"], genotype.tidy(rng.uniform(-0.9, 0.9))])
    return genotype.with_couplings(parents.source, genes)


def switch_scaffold(parents: Parents, rng: random.Random) -> str | None:
    """Change the sampling scheme: independent, correlated, quasi-random or mixture. A mixture of several kinds is left as it is, since
    otherwise every persona would have the axes of all kinds."""
    genes = genotype_of(parents.source)
    if genes is None or len(genes.kinds) > 1:
        return None
    name = rng.choice(("independent", "quasi_random", "correlated", "mixture"))
    return with_function(parents.source, "draw", genotype.scaffold(name))


def cross(parents: Parents, rng: random.Random) -> str | None:
    """Cross two programs axis by axis: from the parent, from the mate, or the mean of both (blend crossover; averaging good programs also
    averages out the noise of their scores). An axis that only the mate has is added if its dials are new."""
    genes, mate = genotype_of(parents.source), genotype_of(parents.mate or "")
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
    return genotype.with_genes(parents.source, Genotype(list(own.values()), levels, genes.couplings, kinds))


def _between(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Mean end points of two axes, on each dial's scale; dials of only one axis are unchanged."""
    both = {}
    for name, ends in {**theirs, **ours}.items():
        other = theirs.get(name, ends)
        log = dials()[name].scale == "log"
        both[name] = oriented(ends, [genotype.tidy(math.sqrt(a * b) if log else (a + b) / 2) for a, b in zip(ends, other, strict=True)])
    return both


def join(parents: Parents, rng: random.Random) -> str | None:
    """Join two programs: the child's population is a mixture of both, where each kind of people has its own axes.

    Coverage is concave in the population, so a mixture covers at least as much as its parts do on average.
    """
    genes, mate = genotype_of(parents.source), genotype_of(parents.mate or "")
    if genes is None or mate is None:
        return None
    axes, levels, kinds = genotype.population(genes)
    more_axes, more_levels, more_kinds = genotype.population(mate)
    if not kinds or not more_kinds:
        return None
    share = rng.choice((0.3, 0.5))
    taken = {axis["name"] for axis in axes}
    for kind in more_kinds:
        names = {name: genotype.fresh(name, taken) for name in kind["axes"]}
        if len(axes) + len(names) > MAX_AXES:
            break
        axes += [{**axis, "name": names[axis["name"]]} for axis in more_axes if axis["name"] in names]
        levels |= {new: more_levels.get(old, [0.0, 1.0]) for old, new in names.items()}
        kinds.append({"share": genotype.tidy(kind["share"] * share / (1 - share)), "axes": list(names.values())})
    return genotype.as_mixture(parents.source, Genotype(axes, levels, genes.couplings, kinds))


def reformat(parents: Parents, rng: random.Random) -> str | None:
    """Change only a comment: a control that must not improve the score (not in the default mix)."""
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


def check_weights(weights: Mapping[str, float], table: Mapping[str, Operator] = OPERATORS) -> None:
    """Raise ConfigError unless all weights are of known operators, finite and not negative, and at least one is positive."""
    unknown = [name for name in weights if name not in table]
    if unknown:
        raise ConfigError(f"setting 'operators': unknown operator {unknown[0]!r:.80}; operators are: {', '.join(table)}")
    if not weights or not all(0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
        raise ConfigError(f"setting 'operators': weights must be finite, not negative and not all 0, got {dict(weights)!r:.400}")


def breed(
    parents: Parents, weights: Mapping[str, float], rng: random.Random, table: Mapping[str, Operator] = OPERATORS
) -> tuple[str, str]:
    """Breed one child with one or two operators drawn by weight. Returns its source and the operators' names joined by "+"."""
    source, applied = parents.source, []
    for _ in range(rng.choice((1, 1, 1, 2))):
        name = rng.choices(list(weights), list(weights.values()))[0]
        child = table[name](Parents(source, parents.mate, parents.remarks), rng)
        if child is not None:
            source = child
            applied.append(name)
    return source, "+".join(applied)

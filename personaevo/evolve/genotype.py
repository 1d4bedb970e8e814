"""The genotype of a persona program (its literals, validated for the operators), and the texts of its axes (``seeds/axes.toml``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials, typing_dials
from personaevo.errors import ContentError
from personaevo.programs.edit import literals, stored
from personaevo.programs.personas import MAX_AXES

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

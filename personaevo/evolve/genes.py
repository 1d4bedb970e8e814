"""The genotype of a persona program (its literals, validated for the operators), and the texts of its axes (``seeds/axes.toml``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from personaevo.definitions import dials, typing_dials
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

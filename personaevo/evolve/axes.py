"""Names and texts of the axes that operators create or change, from content (``seeds/axes.toml``).

The texts of an axis are derived from its dials, so that instructions never contradict each other (say, full sentences in two words).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.errors import ContentError

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

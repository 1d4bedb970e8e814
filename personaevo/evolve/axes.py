"""Names and words for the axes that operators make or change, from content (``seeds/axes.toml``).

What an axis says follows from its dials, so that a persona is never asked for full sentences and two words a message at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import Dial, dials
from personaevo.errors import ContentError

_LIKE_OTHERS = "In {about}, be like most people."  # a playbook text must say something
_NEAR = 0.1  # of a dial's range, or of its value on a log scale: what counts as the default


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of one dial: what it is about, and for a low and a high value a phrase that completes "someone who is …" and a playbook
    sentence."""

    about: str
    less: tuple[str, str]
    more: tuple[str, str]


@cache
def words() -> Mapping[str, Words]:
    """The words of every dial.

    Raises:
        ContentError: ``seeds/axes.toml`` lacks a dial, or a row has another form.
    """
    table = content.toml("seeds", "axes.toml")
    found = {}
    for name in dials():
        try:
            row = table[name]
            found[name] = Words(str(row["about"]), _pair(row["less"]), _pair(row["more"]))
        except (KeyError, TypeError, ValueError):
            raise ContentError(f"seeds/axes.toml: expected about, less and more of the dial '{name}'") from None
    return found


def _pair(row: Sequence[str]) -> tuple[str, str]:
    phrase, sentence = row
    return str(phrase), str(sentence)


def new_axis(ends: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """An axis over these end points; its name says what level 1 is: beside level 0, or beside most where both are the same."""
    rises = {dial: last > first or (last == first >= dials()[dial].default) for dial, (first, last) in ends.items()}
    name = " and ".join((words()[dial].more if more else words()[dial].less)[0] for dial, more in rises.items())
    about = "; ".join(words()[dial].about for dial in ends)
    return worded({"name": name, "definition": about, "low": "", "high": "", "dials": {dial: list(pair) for dial, pair in ends.items()}})


def worded(axis: Mapping[str, Any]) -> dict[str, Any]:
    """The axis with texts that fit its dials, if it has any: who is at either end, and what they are told; name and definition stay."""
    if not axis["dials"]:
        return dict(axis)
    low, high = (_marked(axis["dials"], at) for at in (0, 1))
    about = words()[next(iter(axis["dials"]))].about
    told = [" ".join(sentence for _, sentence in end) or _LIKE_OTHERS.format(about=about) for end in (low, high)]
    return {**axis, "low": told[0], "high": told[1], "who": [end[0][0] if end else "" for end in (low, high)]}


def _marked(ends: Mapping[str, Sequence[float]], at: int) -> list[tuple[str, str]]:
    """Phrase and sentence of each dial that is, at this end, off what the simulator does unasked."""
    said = [_end(dials()[dial], pair[at]) for dial, pair in ends.items()]
    return [one for one in said if one is not None]


def _end(dial: Dial, value: float) -> tuple[str, str] | None:
    off = value / dial.default - 1 if dial.scale == "log" else (value - dial.default) / (dial.high - dial.low)
    if abs(off) < _NEAR:
        return None
    return words()[dial.name].more if off > 0 else words()[dial.name].less


def oriented(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """New end points in the direction of the old ones: an axis that is called "terse" stays that."""
    flipped = (before[1] - before[0]) * (after[1] - after[0]) < 0
    return [after[1], after[0]] if flipped else list(after)

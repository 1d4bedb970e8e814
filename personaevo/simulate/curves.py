"""How well a model plays what it is asked: shown against asked for each dial, and the inverse, through which a director asks.

All numbers of a curve are on the dial's scale: logarithms for dials whose scale is "log". Nothing here knows a reference.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np

from personaevo import content, definitions
from personaevo.errors import ContentError
from personaevo.measure.stats import student_factor
from personaevo.records import Floats, Wording

Verdict = Literal["follows", "exaggerates", "cannot"]
LEAST_SLOPE = 0.2  # a model that shows less of a change than this share cannot play the dial
FEWEST = 4  # dialogues that a line is fitted to, at least
_FILES: Mapping[str, tuple[str, ...]] = {"draft": ("prompts/reword.md",), "direction": ("directions.toml", "prompts/user.md")}


@dataclass(frozen=True, slots=True)
class Curve:
    """The line ``shown = offset + slope * asked`` of one dial.

    ``se`` is the slope's standard error, ``n`` the number of dialogues, ``r`` the correlation; ``center``, ``spread``, ``low`` and
    ``high`` are mean, standard deviation and range of what was asked, ``noise`` is the standard deviation of dialogues about the line.
    """

    slope: float
    offset: float
    se: float
    n: int
    r: float
    center: float
    spread: float
    noise: float
    low: float
    high: float

    @property
    def middle(self) -> float:
        """What is shown where the middle of the design is asked."""
        return self.offset + self.slope * self.center

    @property
    def interval(self) -> tuple[float, float]:
        """The slope's 95 % interval."""
        half = student_factor(self.n - 2) * self.se
        return self.slope - half, self.slope + half

    @property
    def verdict(self) -> Verdict:
        """ "cannot" if the slope is below ``LEAST_SLOPE`` or its interval holds 0; "exaggerates" if the interval lies above 1."""
        low, _ = self.interval
        if self.slope < LEAST_SLOPE or low <= 0:
            return "cannot"
        return "exaggerates" if low > 1 else "follows"

    @property
    def usable(self) -> bool:
        """Whether the line can be fitted and inverted at all: finite numbers, a design with some spread."""
        numbers = [getattr(self, one.name) for one in fields(self)]
        return all(map(math.isfinite, numbers)) and self.n >= FEWEST and self.spread > 0 and self.low < self.high and self.se >= 0


def fit(asked: Floats, shown: Floats) -> Curve:
    """The least-squares line of ``shown[n]`` against ``asked[n]``, n >= 4, both on the dial's scale; ``asked`` is not constant."""
    n, center, spread = len(asked), float(asked.mean()), float(asked.std())
    slope = float(((asked - center) * (shown - shown.mean())).mean()) / spread**2
    rest = shown - shown.mean() - slope * (asked - center)
    noise = float(np.sqrt((rest**2).sum() / (n - 2)))
    r = slope * spread / float(shown.std()) if shown.std() > 0 else 0.0
    offset = float(shown.mean()) - slope * center
    return Curve(slope, offset, noise / (spread * n**0.5), n, r, center, spread, noise, float(asked.min()), float(asked.max()))


@dataclass(frozen=True)
class Calibration:
    """The curves of one model by dial; ``wording`` is how its users are worded, ``prompt`` the digest of what it was told."""

    model: str
    wording: Wording
    prompt: str
    curves: Mapping[str, Curve] = field(default_factory=dict)

    def invert(self, dials: Mapping[str, float]) -> dict[str, float]:
        """What to ask for so that the dials are what is shown.

        Of all values between the dial and ``(dial - offset) / slope``, the one with the least expected squared error, given how well
        slope and offset are known; both are first shrunk toward playing as asked (empirical Bayes over the dials, Efron & Morris 1975).
        So a curve that says little changes little. Nothing is asked that is outside of the calibrated range; a dial outside of it is moved
        as its nearest end is. Dials that the model cannot play, or that have no curve, stay as they are.
        """
        return {name: self._asked(name, value) for name, value in dials.items()}

    def shown(self, dials: Mapping[str, float]) -> dict[str, float]:
        """What the lines say is shown where the dials are asked; dials without a curve as they are."""
        return {
            name: from_scale(name, self.curves[name].offset + self.curves[name].slope * to_scale(name, value))
            if name in self.curves else value
            for name, value in dials.items()
        }  # fmt: skip

    def response(self, dials: Mapping[str, float]) -> dict[str, float]:
        """What is shown where a director asks for the dials through the inverse."""
        return self.shown(self.invert(dials))

    @property
    def digest(self) -> str:
        """Of all that decides what is asked."""
        known = {name: asdict(curve) for name, curve in sorted(self.curves.items())}
        text = json.dumps([self.model, self.wording, self.prompt, known], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def _asked(self, name: str, value: float) -> float:
        curve = self.curves.get(name)
        if curve is None or curve.verdict == "cannot":
            return value
        wanted = to_scale(name, value)
        at = min(max(wanted, curve.low), curve.high)
        asked = min(max(self._best(curve, at), curve.low), curve.high)
        return from_scale(name, wanted + asked - at) if asked != at else value

    def _best(self, curve: Curve, wanted: float) -> float:
        slopes, offsets = self._variances
        slope, variance = _shrunk(curve.slope, 1.0, slopes, curve.se**2)
        middle, _ = _shrunk(curve.middle, curve.center, offsets * curve.spread**2, curve.noise**2 / curve.n)
        missed = middle + slope * (wanted - curve.center) - wanted  # where it is asked as it is meant
        step = -missed / slope
        risk = missed**2 + variance * step**2
        part = (missed**2 - variance * step * (wanted - curve.center)) / risk if risk > 0 else 0.0
        return wanted + min(max(part, 0.0), 1.0) * step

    @cached_property
    def _variances(self) -> tuple[float, float]:
        """By how much the model's true slopes differ from 1, and its middles (in the design's deviations) from what was asked: mean squares
        over the dials that it can play, less what is error of their estimates."""
        able = [curve for curve in self.curves.values() if curve.verdict != "cannot"]
        slopes = [(curve.slope - 1.0) ** 2 - curve.se**2 for curve in able]
        middles = [((curve.middle - curve.center) ** 2 - curve.noise**2 / curve.n) / curve.spread**2 for curve in able]
        return max(_mean(slopes), 0.0), max(_mean(middles), 0.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _shrunk(value: float, toward: float, between: float, error: float) -> tuple[float, float]:
    """The posterior mean and variance of what was estimated as ``value`` with variance ``error``, among others that differ from ``toward``
    with variance ``between``."""
    weight = between / (between + error) if between + error > 0 else 1.0
    return toward + weight * (value - toward), weight * error


def to_scale(name: str, value: float) -> float:
    """A dial's value on its scale."""
    dial = definitions.dials()[name]
    return math.log(max(value, dial.low / 2.0)) if dial.scale == "log" else value


def from_scale(name: str, value: float) -> float:
    """The dial's value, within its range, of a number on its scale."""
    dial = definitions.dials()[name]
    return min(max(math.exp(min(value, 50.0)) if dial.scale == "log" else value, dial.low), dial.high)


def prompt_digest(wording: Wording) -> str:
    """A digest of the content that a model's users are prompted with.

    Raises:
        ContentError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in _FILES[wording]:
        path = content.root("fitness") / name
        try:
            digest.update(path.read_bytes() + b"\0")
        except OSError as error:
            raise ContentError(f"{path} cannot be read: {error}") from None
    return digest.hexdigest()

"""Calibration curves of a model: shown against asked values for each dial, and their inverse, which corrects a director's requests.

All numbers of a curve are on the dial's scale: logarithms for dials whose scale is "log". No reference data are used.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np

from personaevo import content, definitions
from personaevo.errors import ContentError
from personaevo.measure.stats import student_factor
from personaevo.records import Floats, Wording

Verdict = Literal["follows", "exaggerates", "cannot"]
LEAST_SLOPE = 0.2  # a model that shows a smaller share of a change cannot play the dial
FEWEST = 4  # dialogues for the fit of a line
_FILES: Mapping[str, tuple[str, ...]] = {"draft": ("prompts/reword.md",), "direction": ("directions.toml", "prompts/user.md")}


@dataclass(frozen=True, slots=True)
class Curve:
    """The line ``shown = offset + slope * asked`` of one dial.

    ``se`` is the slope's standard error, ``n`` the number of dialogues, ``r`` the correlation; ``center``, ``spread``, ``low`` and
    ``high`` are mean, standard deviation and range of the asked values, ``noise`` is the residual standard deviation of dialogues.
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
        """The shown value at the center of the asked values."""
        return self.offset + self.slope * self.center

    @property
    def interval(self) -> tuple[float, float]:
        """The slope's 95 % interval."""
        half = student_factor(self.n - 2) * self.se
        return self.slope - half, self.slope + half

    @property
    def verdict(self) -> Verdict:
        """ "cannot" if the slope is below ``LEAST_SLOPE`` or its interval holds 0; "exaggerates" if the interval is above 1."""
        low, _ = self.interval
        if self.slope < LEAST_SLOPE or low <= 0:
            return "cannot"
        return "exaggerates" if low > 1 else "follows"

    @property
    def usable(self) -> bool:
        """Whether the line can be inverted: finite numbers, asked values with some spread."""
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
    """The curves of one model by dial; ``wording`` is the wording of its users, ``prompt`` the digest of their prompt."""

    model: str
    wording: Wording
    prompt: str
    curves: Mapping[str, Curve] = field(default_factory=dict)

    def invert(self, dials: Mapping[str, float]) -> dict[str, float]:
        """The values to ask for so that the shown values are ``dials``.

        Of all values between the dial and ``(dial - offset) / slope``, this is the one with the least expected squared error, given the
        uncertainty of slope and offset; both are first shrunk toward playing as asked (empirical Bayes over the dials, Efron & Morris
        1975). So an uncertain curve changes little. Values stay in the calibrated range; a dial outside it is moved by the same amount as
        the nearest end. Dials that the model cannot play, or that have no curve, are unchanged.
        """
        return {name: self._asked(name, value) for name, value in dials.items()}

    def shown(self, dials: Mapping[str, float]) -> dict[str, float]:
        """The shown values that the lines predict for asked dials; dials without a curve are unchanged."""
        return {
            name: from_scale(name, self.curves[name].offset + self.curves[name].slope * to_scale(name, value))
            if name in self.curves else value
            for name, value in dials.items()
        }  # fmt: skip

    def response(self, dials: Mapping[str, float]) -> dict[str, float]:
        """The shown values where a director asks for the dials through the inverse."""
        return self.shown(self.invert(dials))

    @property
    def digest(self) -> str:
        """A digest of everything that decides the asked values."""
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
        missed = middle + slope * (wanted - curve.center) - wanted  # the error without correction
        step = -missed / slope
        risk = missed**2 + variance * step**2
        part = (missed**2 - variance * step * (wanted - curve.center)) / risk if risk > 0 else 0.0
        return wanted + min(max(part, 0.0), 1.0) * step

    @cached_property
    def _variances(self) -> tuple[float, float]:
        """The variances, over the dials that the model can play, of its true slopes about 1 and of its middles about the center (in units
        of the design's spread): mean squares less those of the estimation errors."""
        able = [curve for curve in self.curves.values() if curve.verdict != "cannot"]
        slopes = [(curve.slope - 1.0) ** 2 - curve.se**2 for curve in able]
        middles = [((curve.middle - curve.center) ** 2 - curve.noise**2 / curve.n) / curve.spread**2 for curve in able]
        count = len(able) or 1
        return max(sum(slopes) / count, 0.0), max(sum(middles) / count, 0.0)


def _shrunk(value: float, toward: float, between: float, error: float) -> tuple[float, float]:
    """The posterior mean and variance of a quantity estimated as ``value`` with variance ``error``, with a prior of mean ``toward`` and
    variance ``between``."""
    weight = between / (between + error) if between + error > 0 else 1.0
    return toward + weight * (value - toward), weight * error


def to_scale(name: str, value: float) -> float:
    """A dial's value on its scale."""
    dial = definitions.dials()[name]
    return math.log(max(value, dial.low / 2.0)) if dial.scale == "log" else value


def from_scale(name: str, value: float) -> float:
    """The dial's value, clipped to its range, for a number on its scale."""
    dial = definitions.dials()[name]
    return min(max(math.exp(min(value, 50.0)) if dial.scale == "log" else value, dial.low), dial.high)


def prompt_digest(wording: Wording) -> str:
    """A digest of the prompt files of a model's users.

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

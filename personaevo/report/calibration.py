"""A calibration as one HTML page without a script: for every behavior what was asked against what was shown, with the line."""

from __future__ import annotations

import html
from collections.abc import Mapping

from personaevo import definitions
from personaevo.records import Floats
from personaevo.report.numbers import spoken
from personaevo.simulate.calibrate import Calibrated, line_of
from personaevo.simulate.curves import Curve, from_scale
from personaevo.text import one_line

_WIDTH, _HEIGHT, _EDGE = 230.0, 190.0, 34.0
_TEXT: Mapping[str, str] = {"follows": "follows", "exaggerates": "exaggerates", "cannot": "cannot play it: asked as it is"}
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #66707c; --line: #0072b2; --dot: #d55e00; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b0; --line: #56b4e9; --dot: #e69f00; --paper: #15191f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } .plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--soft); } svg { width: 100%; height: auto; }
text { font-size: 10px; fill: var(--soft); } circle { fill: var(--dot); fill-opacity: .65; } .fit { stroke: var(--line); stroke-width: 2; }
.same { stroke: var(--soft); stroke-dasharray: 3 3; } .frame { stroke: var(--soft); fill: none; stroke-width: .6; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="generator" content="personaevo archive report">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>{words}</p>
<div class="plots">
{plots}
</div>
</body>
</html>
"""


def calibration_page(done: Calibrated) -> str:
    """The HTML document."""
    of = done.calibration
    worded = "" if of.model == "embedded" else f", wording: {of.wording}"
    words = (
        f"How well {one_line(of.model)} plays what it is asked, in {done.conduct.completed} dialogues. Each mark is one dialogue: to the "
        "right what was asked, upward what was shown. The solid line is fitted; on the dashed one all is shown as it is asked. Axes of "
        "words are logarithmic."
    )
    plots = "\n".join(_figure(done, name) for name in of.curves)
    title = html.escape(f"Calibration of {one_line(of.model)}{worded}")
    return _PAGE.format(title=title, style=_STYLE, words=html.escape(words), plots=plots)


def _figure(done: Calibrated, name: str) -> str:
    curve, asked, shown = line_of(done, name)
    low, high = float(min(asked.min(), shown.min())), float(max(asked.max(), shown.max()))
    margin = (high - low or 1.0) * 0.05
    plot = _Plot(name, low - margin, high + margin)
    below, above = curve.interval
    said = f"{_TEXT[curve.verdict]}; slope {curve.slope:.2f} [{below:.2f}, {above:.2f}], r {curve.r:.2f}"
    label = html.escape(f"{spoken(name)}: {said}")
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{label}">{plot.frame()}{plot.lines(curve)}'
        f"{plot.marks(asked, shown)}</svg><figcaption><b>{html.escape(spoken(name))}</b> {html.escape(said)}</figcaption></figure>"
    )


class _Plot:
    """A square of the plane between two numbers, on the scale of the dial ``name``, as pieces of SVG."""

    def __init__(self, name: str, low: float, high: float) -> None:
        self.name, self.low, self.high = name, low, high

    def frame(self) -> str:
        """The frame with the numbers at its ends, in the dial's units."""
        left, right, top, bottom = self.x(self.low), self.x(self.high), self.y(self.high), self.y(self.low)
        ends = [self._said(value) for value in (self.low, self.high)]
        log = ", log" if definitions.dials()[self.name].scale == "log" else ""
        return (
            f'<rect class="frame" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"/>'
            f'<text x="{left:.1f}" y="{bottom + 12:.1f}">{ends[0]}</text>'
            f'<text x="{right:.1f}" y="{bottom + 12:.1f}" text-anchor="end">{ends[1]}</text>'
            f'<text x="{(left + right) / 2:.1f}" y="{bottom + 12:.1f}" text-anchor="middle">asked{log}</text>'
            f'<text x="{left - 4:.1f}" y="{bottom:.1f}" text-anchor="end">{ends[0]}</text>'
            f'<text x="{left - 4:.1f}" y="{top + 8:.1f}" text-anchor="end">{ends[1]}</text>'
        )

    def lines(self, curve: Curve) -> str:
        """The fitted line over what was asked, and the one on which all is shown as it is asked."""
        ends = [(at, min(max(curve.offset + curve.slope * at, self.low), self.high)) for at in (curve.low, curve.high)]
        return self._line("same", (self.low, self.low), (self.high, self.high)) + self._line("fit", *ends)

    def marks(self, asked: Floats, shown: Floats) -> str:
        """A mark for each dialogue."""
        return "".join(
            f'<circle cx="{self.x(float(a)):.1f}" cy="{self.y(float(s)):.1f}" r="3"><title>asked {self._said(float(a))}, '
            f"shown {self._said(float(s))}</title></circle>"
            for a, s in zip(asked, shown, strict=True)
        )

    def x(self, value: float) -> float:
        """Where a number is from left to right."""
        return _EDGE + (value - self.low) / (self.high - self.low) * (_WIDTH - _EDGE - 6.0)

    def y(self, value: float) -> float:
        """Where a number is from top to bottom."""
        return 6.0 + (self.high - value) / (self.high - self.low) * (_HEIGHT - 24.0)

    def _line(self, kind: str, first: tuple[float, float], second: tuple[float, float]) -> str:
        (x1, y1), (x2, y2) = first, second
        return f'<line class="{kind}" x1="{self.x(x1):.1f}" y1="{self.y(y1):.1f}" x2="{self.x(x2):.1f}" y2="{self.y(y2):.1f}"/>'

    def _said(self, value: float) -> str:
        """The number in the dial's units."""
        return f"{from_scale(self.name, value):.2g}"

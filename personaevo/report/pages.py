"""The HTML document of a report: the templates of ``archive/report`` filled with data.

Data and plotting library are compressed, and the page unpacks them itself. Its content security policy allows only these two scripts and
no network requests. Stored text is part of the compressed data, and the page inserts it as text, never as HTML.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from plotly.offline import get_plotlyjs

from personaevo import content, definitions
from personaevo.errors import ContentError, InputError
from personaevo.records import Floats
from personaevo.report.data import report_data
from personaevo.report.material import Material, in_words
from personaevo.simulate.calibrate import Calibrated, line_of
from personaevo.simulate.curves import Curve, from_scale
from personaevo.text import one_line

_MARK = b'<meta name="generator" content="personaevo archive report">'
_SCRIPTS = ("views.js", "result.js", "plots.js", "explorer.js", "page.js")  # joined to one script, as the policy names its digest
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def page(material: Material) -> str:
    """Return the HTML document."""
    data = report_data(material)
    script, library = "\n".join(map(_template, _SCRIPTS)), get_plotlyjs()
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (script, library))
    policy = (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src 'none'; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    slots = {
        "policy": policy,
        "title": html.escape(one_line(f"personaevo: {data['domain'] or data['file']}")),
        "style": _template("page.css"),
        "data": _compressed(json.dumps(data, allow_nan=False, separators=(",", ":"))),
        "library": _compressed_library(),
        "script": script,
    }
    return _SLOT.sub(lambda found: slots[found[1]], _template("page.html"))


def write(text: str, path: Path, option: str = "--out") -> None:
    """Write the page atomically; it may replace an older report, but no other file. ``option`` names the command line option of ``path``.

    Raises:
        InputError: another file exists there, or the file cannot be written.
    """
    if path.exists() and not _is_report(path):
        raise InputError(f"{path} exists and is not a report that personaevo wrote: give another {option}")
    draft = None
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".new", delete=False) as file:
            draft = Path(file.name)
            file.write(text)
        mask = os.umask(0)  # reading the mask sets it
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
        draft.replace(path)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        why = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: the report cannot be written ({why}); give another {option}") from None


def _is_report(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return _MARK in file.read(2000)
    return False


def _template(name: str) -> str:
    path = content.root("archive") / "report" / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}): reinstall personaevo") from None


def _compressed(text: str) -> str:
    """Compress text to base64, which cannot close the HTML element that contains it."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@cache
def _compressed_library() -> str:
    return _compressed(get_plotlyjs())


_WIDTH, _HEIGHT, _EDGE = 230.0, 190.0, 34.0
_TEXT: Mapping[str, str] = {"follows": "follows", "exaggerates": "exaggerates", "cannot": "cannot follow it: not corrected"}
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
    """Return the HTML document."""
    of = done.calibration
    worded = "" if of.model == "embedded" else f", wording: {of.wording}"
    words = (
        f"How well {one_line(of.model)} follows its dials, in {done.conduct.completed} dialogues. Each mark is one dialogue: the asked "
        "value from left to right, the shown value from bottom to top. The solid line is fitted; on the dashed line both are equal. Axes "
        "of words are logarithmic."
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
    fit = f"{_TEXT[curve.verdict]}; slope {curve.slope:.2f} [{below:.2f}, {above:.2f}], r {curve.r:.2f}"
    label = html.escape(f"{in_words(name)}: {fit}")
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{label}">{plot.frame()}{plot.lines(curve)}'
        f"{plot.marks(asked, shown)}</svg><figcaption><b>{html.escape(in_words(name))}</b> {html.escape(fit)}</figcaption></figure>"
    )


class _Plot:
    """A square plot with both axes from ``low`` to ``high``, on the scale of the dial ``name``, as pieces of SVG."""

    def __init__(self, name: str, low: float, high: float) -> None:
        self.name, self.low, self.high = name, low, high

    def frame(self) -> str:
        """Return the frame, labelled at its ends in the dial's units."""
        left, right, top, bottom = self.x(self.low), self.x(self.high), self.y(self.high), self.y(self.low)
        ends = [f"{from_scale(self.name, value):.2g}" for value in (self.low, self.high)]
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
        """Return the line of equal values, and the fitted line over the range of asked values."""
        ends = [(at, min(max(curve.offset + curve.slope * at, self.low), self.high)) for at in (curve.low, curve.high)]
        lines = {"same": [(self.low, self.low), (self.high, self.high)], "fit": ends}
        return "".join(
            f'<line class="{kind}" x1="{self.x(x1):.1f}" y1="{self.y(y1):.1f}" x2="{self.x(x2):.1f}" y2="{self.y(y2):.1f}"/>'
            for kind, ((x1, y1), (x2, y2)) in lines.items()
        )

    def marks(self, asked: Floats, shown: Floats) -> str:
        """Return a mark for each dialogue."""
        found = []
        for a, s in zip(map(float, asked), map(float, shown), strict=True):
            title = f"asked {from_scale(self.name, a):.2g}, shown {from_scale(self.name, s):.2g}"
            found.append(f'<circle cx="{self.x(a):.1f}" cy="{self.y(s):.1f}" r="3"><title>{title}</title></circle>')
        return "".join(found)

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        return _EDGE + (value - self.low) / (self.high - self.low) * (_WIDTH - _EDGE - 6.0)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        return 6.0 + (self.high - value) / (self.high - self.low) * (_HEIGHT - 24.0)

"""The page of a calibration: how well a model follows its dials, and the effect of inverting the fitted curves."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from personaevo import definitions
from personaevo.simulate.calibrate import Calibrated, Check, Interval
from personaevo.simulate.curves import Curve, Verdict, from_scale
from personaevo.views.layout import BAD, FAINT, GOOD, HEADING, figure, labels, name, note, page, section, table, text, verdict

_STYLES: Mapping[Verdict, str] = {"follows": GOOD, "exaggerates": "yellow", "cannot": BAD}


def calibration_view(done: Calibrated) -> RenderableType:
    """Show every behavior with its line, the conduct of users, the choice of the wording, and the check."""
    of = done.calibration
    title = Text.assemble(text(of.model, HEADING), ("" if of.model == "embedded" else f", wording: {of.wording}"))
    parts: list[RenderableType] = [title, _behaviors(done), _conduct(done)]
    if done.tried:
        wordings = table("wording", "dialogues", "grave breaks a turn", "distance", words=("wording",))
        for one in done.tried:
            numbers = ["-" if value is None else f"{value:.2f}" for value in (one.grave, one.distance)]
            wordings.add_row(name(one.wording), str(one.completed), *numbers)
        parts.append(section("Which wording", wordings))
    if done.check is not None:
        parts.append(_checked(done.check))
    return page(parts)


def _behaviors(done: Calibrated) -> RenderableType:
    rows = table("behavior", "slope", "±", "asked", "shown", "r", "verdict", words=("behavior", "verdict"))
    for dial, curve in done.calibration.curves.items():
        low, _ = curve.interval
        asked, shown = middle(dial, curve)
        rows.add_row(
            _short(dial), f"{curve.slope:.2f}", f"{curve.slope - low:.2f}", asked, shown, f"{curve.r:.2f}",
            Text(curve.verdict, _STYLES[curve.verdict]),
        )  # fmt: skip
    words = (
        f"Slope of shown against asked over {done.conduct.completed} dialogues ± half its 95 % interval: 1 follows exactly, 0 not at "
        "all. Asked and shown: at the center of the design. Dials that a model cannot follow (slope below 0.2, or not significantly above "
        "0) are not inverted."
    )
    return section("Shown against asked", rows, note(words))


def middle(dial: str, curve: Curve) -> tuple[str, str]:
    """Return the asked value at the center of the design, and the value shown there, in the dial's units."""
    if definitions.dials()[dial].scale == "log":
        return figure(from_scale(dial, curve.center)), figure(from_scale(dial, curve.middle))
    return figure(curve.center), figure(curve.middle)


def _conduct(done: Calibrated) -> RenderableType:
    of = done.conduct
    points = ", ".join(f"{kind} {share:.0%}" for kind, share in sorted(of.points.items(), key=lambda item: -item[1]))
    rows: list[tuple[str, RenderableType]] = [
        ("dialogues", text(f"{of.completed} of {of.planned} completed, {of.turns} turns of the user")),
        ("turns that break their plan", Text.assemble(_share(of.broke), Text(f"  ({points})" if points else "", FAINT))),
        ("… in a grave point", _share(of.grave)),
        ("turns with an invented number", _share(of.invented)),
        ("turns that leak a fact", _share(of.leaked)),
        ("turns that speak as the agent", _share(of.agent)),
        ("sounds like the agent", Text.assemble(_share(of.confused), Text("  beyond what was asked", FAINT))),
        ("task preservation", _number(of.preservation)),
        ("dialogues that end by themselves", _share(of.ends)),
        ("words per turn", _number(of.words)),
    ]
    return section("Conduct", labels(rows))


def _checked(check: Check) -> RenderableType:
    rows = table("behavior", "as asked", "inverse", "gain", "95 %", "slope", "then", words=("behavior",))
    for dial, gain in [*check.gains.items(), ("all", check.overall)]:
        mean, low, high = gain.gain
        rows.add_row(
            _short(dial), f"{gain.before:.2f}", f"{gain.after:.2f}", Text(f"{mean:+.2f}", verdict(low, high)), f"[{low:+.2f}, {high:+.2f}]",
            f"{gain.slope_before:.2f}", f"{gain.slope:.2f}",
        )  # fmt: skip
    words = (
        f"Mean distance of shown from asked in standard deviations of the design, {check.pairs} of {check.planned} pairs of dialogues on "
        "other dials and held-out tasks: asked directly, and through the inverse. Much of it is chance: a dialogue shows a rate in few "
        "turns."
    )
    return section("Effect of the inverse", rows, note(words))


def _short(dial: str) -> Text:
    """A behavior in words for a narrow column."""
    return name(dial.removesuffix("_rate").replace("_", " "))


def _share(value: Interval) -> Text:
    mean, low, high = value
    return Text(f"{mean:.1%} [{low:.1%}, {high:.1%}]")


def _number(value: Interval) -> Text:
    mean, low, high = value
    return Text(f"{mean:.2f} [{low:.2f}, {high:.2f}]")

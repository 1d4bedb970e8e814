"""Run a calibration, report its result as plain values, and estimate its model calls."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from personaevo import definitions
from personaevo.simulate.calibrate import Calibrated, Check, Gain, line_of
from personaevo.simulate.conduct import Interval


def as_object(done: Calibrated) -> dict[str, Any]:
    """All measurements. The numbers of a dial, also those ``asked`` and shown (``values``), are on its ``scale``."""
    calibration, behaved = done.calibration, done.conduct
    counts = {one.name: getattr(behaved, one.name) for one in fields(behaved) if one.name not in ("broke", "agent")}
    rates = {name: _interval(value) if isinstance(value, tuple) else value for name, value in counts.items()}
    return {
        "model": calibration.model, "wording": calibration.wording, "prompt": calibration.prompt, "digest": calibration.digest,
        "dials": [_dial(done, name) for name in calibration.curves],
        "breaks": _interval(behaved.broke), "as_agent": _interval(behaved.agent), **rates,
        "tried": [asdict(one) for one in done.tried], "check": None if done.check is None else _check(done.check),
    }  # fmt: skip


def _dial(done: Calibrated, name: str) -> dict[str, Any]:
    curve, asked, shown = line_of(done, name)
    low, high = curve.interval
    return {
        "dial": name, "scale": definitions.dials()[name].scale, **asdict(curve), "slope_low": low, "slope_high": high,
        "middle": curve.middle, "verdict": curve.verdict,
        "asked": [round(float(value), 4) for value in asked], "values": [round(float(value), 4) for value in shown],
    }  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    return {
        "pairs": check.pairs, "planned": check.planned, "overall": _gain(check.overall),
        "dials": [{"dial": name, **_gain(gain)} for name, gain in check.gains.items()],
        "breaks": _interval(check.after.broke), "preservation": _interval(check.after.preservation),
    }  # fmt: skip


def _gain(gain: Gain) -> dict[str, Any]:
    return {**asdict(gain), "gain": _interval(gain.gain)}


def _interval(value: Interval) -> dict[str, float]:
    return dict(zip(("mean", "low", "high"), value, strict=True))

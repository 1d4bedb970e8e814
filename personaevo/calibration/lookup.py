"""Load the calibration of a model from an archive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from personaevo import definitions
from personaevo.archive import Archive, StoredCalibration
from personaevo.errors import ConfigError
from personaevo.model_spec import same_model
from personaevo.models import parse
from personaevo.records import Wording
from personaevo.simulate.calibrate import EMBEDDED, WORDINGS
from personaevo.simulate.curves import Calibration, Curve, prompt_digest


def load_calibration(path: str | os.PathLike[str], model: str, wording: Wording | None = None) -> Calibration:
    """The latest calibration of a model, for one ``wording`` or any, that was made with the installed prompts.

    Raises:
        ArchiveError: the file is not an archive.
        ConfigError: it has no such calibration; or the user is not played by a model, or by one without a director.
    """
    if model == EMBEDDED:
        raise ConfigError("calibration: it is for users that a model plays; give the model as well (--model user=…), or leave it out")
    if wording is not None and wording not in WORDINGS:
        raise ConfigError(f"calibration: users with the wording '{wording}' have no director; leave one of the two out")
    with Archive.read(path) as archive:
        kept = archive.calibrations()
    of_model = [one for one in kept if same_model(one.model, model)]
    found = [one for one in of_model if one.wording in WORDINGS and (wording is None or one.wording == wording)]
    if not found:
        names = sorted({one.wording for one in of_model} if of_model else {one.model for one in kept})
        others = f"only {', '.join(names)[:200]}" if names else "and none of another model"
        worded = f" with the wording '{wording}'" if wording and of_model else ""
        raise ConfigError(f"archive {path} holds no calibration of {model}{worded}, {others}: make one with 'personaevo calibrate'")
    usable = [one for one in found if one.prompt == prompt_digest(_wording(one))]
    if not usable:
        raise ConfigError(f"archive {path}: {model} was calibrated with other prompts than the installed ones: calibrate it again")
    return calibration_of(max(usable, key=lambda one: one.made or datetime.min))


def model_name(models: Mapping[str, str]) -> str:
    """The name of the user's model in calibrations; "embedded" if there is none. Raises ConfigError if the name is invalid."""
    return str(parse(models.get("user", EMBEDDED)))


def calibration_of(kept: StoredCalibration) -> Calibration:
    """A stored calibration, without curves that cannot be inverted or belong to dials that are not installed."""
    curves = {}
    for name, line in kept.dials.items():
        if name in definitions.dials():
            numbers = {key: float(value) for key, value in line.items() if key != "n"}
            curves[name] = Curve(n=int(line["n"]), **numbers)
    return Calibration(kept.model, _wording(kept), kept.prompt, {name: curve for name, curve in curves.items() if curve.usable})


def _wording(kept: StoredCalibration) -> Wording:
    return "direction" if kept.wording == "direction" else "draft"

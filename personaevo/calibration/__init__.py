"""Calibrate models that play users, store calibrations in archives, and load them."""

from personaevo.calibration.lookup import known, model_name
from personaevo.calibration.planned import planned
from personaevo.calibration.report import as_object
from personaevo.calibration.run import Done, Request, calibrate_user, free_name

__all__ = ["Done", "Request", "as_object", "calibrate_user", "free_name", "known", "model_name", "planned"]

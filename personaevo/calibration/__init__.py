"""Calibrate models that play users, store calibrations in archives, and load them."""

from personaevo.calibration.lookup import load_calibration, model_name
from personaevo.calibration.run import CalibrationRun, CalibrationSettings, as_object, calibrate_user, free_name, planned

__all__ = ["CalibrationRun", "CalibrationSettings", "as_object", "calibrate_user", "free_name", "load_calibration", "model_name", "planned"]

"""Search settings that depend on the calibration of the user model."""

from __future__ import annotations

from personaevo import calibration
from personaevo.config import SearchConfig
from personaevo.simulate.curves import Calibration


def calibration_of(config: SearchConfig) -> Calibration | None:
    """The calibration of the user model that the settings name; None if they name none.

    Raises:
        ConfigError, ArchiveError: see ``calibration.known``.
    """
    if config.calibration is None:
        return None
    given = "wording" in config.model_fields_set
    return calibration.load_calibration(config.calibration, calibration.model_name(config.models), config.wording if given else None)


def with_wording(config: SearchConfig) -> SearchConfig:
    """The settings with the wording of the calibration, unless they name a wording."""
    found = calibration_of(config)
    return config if found is None else config.model_copy(update={"wording": found.wording})

"""Self-contained HTML pages, of what a search found and of a calibration: they open from disk and ask nothing of the network."""

from personaevo.report.calibration import calibration_page
from personaevo.report.material import Material, gather
from personaevo.report.page import page, write

__all__ = ["Material", "calibration_page", "gather", "page", "write"]

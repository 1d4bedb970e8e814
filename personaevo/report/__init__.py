"""Self-contained HTML pages: the report of a search, and the page of a calibration. They open from disk without network access."""

from personaevo.report.calibration import calibration_page
from personaevo.report.material import Material, gather
from personaevo.report.page import page, write

__all__ = ["Material", "calibration_page", "gather", "page", "write"]

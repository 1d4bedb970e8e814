"""Self-contained HTML pages: the report of a search, and the page of a calibration. They open from disk without network access."""

from personaevo.report.material import Material, gather
from personaevo.report.pages import calibration_page, page, write

__all__ = ["Material", "calibration_page", "gather", "page", "write"]

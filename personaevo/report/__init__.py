"""One self-contained HTML page of what a search found: opens from disk, asks nothing of the network."""

from personaevo.report.material import Material, gather
from personaevo.report.page import page, write

__all__ = ["Material", "gather", "page", "write"]

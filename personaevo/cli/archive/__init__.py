"""``personaevo archive``. Importing the modules of the commands adds them to the group."""

from personaevo.cli.archive import keep, look, query, report
from personaevo.cli.archive.group import archive

__all__ = ["archive", "keep", "look", "query", "report"]

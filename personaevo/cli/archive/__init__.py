"""``personaevo archive``: a module for each kind of command, loaded here so that the group has them."""

from personaevo.cli.archive import keep, look, query, report
from personaevo.cli.archive.group import archive

__all__ = ["archive", "keep", "look", "query", "report"]

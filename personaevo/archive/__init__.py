"""The archive: see ``store.Archive``."""

from personaevo.archive.queries import Elite
from personaevo.archive.store import Archive

__all__ = ["Archive", "Elite"]

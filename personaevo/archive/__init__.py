"""The archive: see ``store.Archive``."""

from personaevo.archive.calls import Calls, Recording
from personaevo.archive.queries import Elite
from personaevo.archive.store import Archive

__all__ = ["Archive", "Calls", "Elite", "Recording"]

"""Files in: tasks and dialogues, in this project's layout and in those of τ²-bench and tau-usi, read without
importing either.

Whatever is wrong with a file is an ``InputError`` in one line: which file, where in it, what was expected, what was
there.
"""

from personaevo.readers.dialogues import read_dialogues
from personaevo.readers.tasks import read_tasks

__all__ = ["read_dialogues", "read_tasks"]

"""Files in: tasks and dialogues, in this project's layout and in those that people have, τ²-bench and tau-usi among them, read
without importing any.

Whatever is wrong with a file is an ``InputError`` in one line: which file, where in it, what was expected, what was
there.
"""

from personaevo.readers.dialogues import Logs, read_dialogues, read_logs
from personaevo.readers.tasks import read_tasks

__all__ = ["Logs", "read_dialogues", "read_logs", "read_tasks"]

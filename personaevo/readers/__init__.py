"""Readers of tasks and dialogues, in this project's layout and in other common ones, such as τ²-bench and tau-usi (neither is imported).

A problem with a file is an ``InputError`` in one line: the file, the place in it, what was expected and what was found.
"""

from personaevo.readers.dialogues import Logs, read_dialogues, read_logs
from personaevo.readers.tasks import read_tasks

__all__ = ["Logs", "read_dialogues", "read_logs", "read_tasks"]

"""The command line: a user of the library like any other, and the only part that prints, reads the environment or handles signals."""

from personaevo.cli.app import main

__all__ = ["main"]

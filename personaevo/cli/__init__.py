"""The command line. It uses the library like any other caller, and only it prints, reads the environment or handles signals."""

from personaevo.cli.app import main

__all__ = ["main"]
